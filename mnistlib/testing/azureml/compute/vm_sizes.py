"""Sizes of virtual machines, and their families, by which Azure counts quotas."""

import re

#: Cores, graphics processors, memory (GB) and disk (MB) of each size.
VM_SIZES: dict[str, tuple[int, int, float, int]] = {
    "STANDARD_D1_V2": (1, 0, 3.5, 51200),
    "STANDARD_D2_V2": (2, 0, 7.0, 102400),
    "STANDARD_D3_V2": (4, 0, 14.0, 204800),
    "STANDARD_D4_V2": (8, 0, 28.0, 409600),
    "STANDARD_D11_V2": (2, 0, 14.0, 102400),
    "STANDARD_D12_V2": (4, 0, 28.0, 204800),
    "STANDARD_DS2_V2": (2, 0, 7.0, 14336),
    "STANDARD_DS3_V2": (4, 0, 14.0, 28672),
    "STANDARD_DS11_V2": (2, 0, 14.0, 28672),
    "STANDARD_DS12_V2": (4, 0, 28.0, 57344),
    "STANDARD_E4S_V3": (4, 0, 32.0, 65536),
    "STANDARD_F4S_V2": (4, 0, 8.0, 32768),
    "STANDARD_NC6": (6, 1, 56.0, 389120),
    "STANDARD_NC6S_V3": (6, 1, 112.0, 344064),
}

_FAMILY = re.compile(r"STANDARD_(?P<series>[A-Z]+)\d+(?P<premium>S?)(?:_(?P<version>V\d))?")


def cores_of(size: str) -> int:
    """Return the number of cores of a size, in any case."""
    return VM_SIZES[size.upper()][0]


def family_of(size: str) -> str:
    """Return the family of a size in the form of the quota API: standardDSv2Family of STANDARD_DS2_V2."""
    found = _FAMILY.fullmatch(size.upper())
    assert found is not None, size
    return f"standard{found['series']}{found['premium']}{(found['version'] or '').lower()}Family"


def quota_name(family: str) -> str:
    """Return the name of a family's quota."""
    return f"Standard {family[8:-6]} Family Cluster Dedicated vCPUs"
