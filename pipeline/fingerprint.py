"""Fingerprints: what a result depends on, as a short name; and why one differs from another."""

import hashlib
import json
from typing import Any


def fingerprint(parts: dict[str, Any]) -> str:
    """12 hex digits of BLAKE2b over the parts as canonical JSON."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def differences(old: dict[str, Any] | None, new: dict[str, Any]) -> list[str]:
    """What changed between two sets of parts, in words; empty where nothing did."""
    if old is None:
        return ["new"]
    said = []
    if old.get("version") != new.get("version"):
        said.append(f"code version {old.get('version')} -> {new.get('version')}")
    said += _settings(old.get("settings", {}), new.get("settings", {}))
    said += _fused(old.get("while_reading", {}), new.get("while_reading", {}))
    said += _inputs(old.get("inputs"), new.get("inputs"))
    if not said and old.get("before") != new.get("before"):
        said.append("what comes before it changed")
    return said


def _settings(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    keys = [k for k in {**old, **new} if _said(old.get(k)) != _said(new.get(k))]
    return [f"{key} {old.get(key)} -> {new.get(key)}" for key in keys]


def _fused(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """The first stage that runs while reading and did not, or otherwise; what comes after it differs with it."""
    changed = [name for name in {**new, **old} if old.get(name) != new.get(name)]
    return [f"while reading: {changed[0]}"] if changed else []


def _said(value: Any) -> str:
    """A value as JSON has it, where what was a tuple comes back as a list."""
    return json.dumps(value, sort_keys=True, default=str)


def _inputs(old: Any, new: Any) -> list[str]:
    """Which units differ, where they are named; where only their fingerprint is kept, that they do."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return ["inputs changed"] if old != new else []
    added, gone = set(new) - set(old), set(old) - set(new)
    changed = {name for name in set(old) & set(new) if old[name] != new[name]}
    words = ((len(added), "added"), (len(gone), "removed"), (len(changed), "changed"))
    said = ", ".join(f"{count:,} {what}" for count, what in words if count)
    one = next(iter(sorted(changed | added | gone)), "")
    return [f"inputs: {said} ({one}{' ...' if len(added | gone | changed) > 1 else ''})"] if said else []
