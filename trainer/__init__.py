"""From token shards to a measured loss, on one CPU or a mesh of GPUs.

Begin with `run/step.py`: one optimizer step, whole. Around it, one folder a question:

    reading      which tokens, in which order, for which rank; what is held out
    model        what is trained: the decoder, its experts, its loss
    optim        how weights move: optimizers, schedules, parametrization
    parallel     over how many devices, by torch's DeviceMesh
    stability    when to clip, skip, rewind; how noisy gradients are
    checkpoints  what survives; export to Hugging Face, generation
    evaluation   what the model knows: held-out bits per byte, multiple choice, memorisation
    monitoring   what is told meanwhile and afterwards
    run          settings and the loop that joins them
    jobs         many small runs side by side
    sweep        a scaling law of one's own from many runs
"""
