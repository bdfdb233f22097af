import pytest

from monitoring.probes.net.address import AddressPolicy, literal, refusal

OPEN = AddressPolicy()
PUBLIC_ONLY = AddressPolicy(allow_private=False)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd00:ec2::254%1",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "2002:a9fe:a9fe::1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        # Behind a shorter prefix of a network's own, with 8.8.8.8 where nobody looks.
        "64:ff9b:1:a9fe:a9:fe00:808:808",
        "64:ff9b:1:a9:fe:a9fe:808:808",
        "64:ff9b:1:0:a9:fea9:fe08:808",
        "169.254.1.1",
        "fe80::1",
        "fe80::1%eth0",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "240.0.0.1",
        "100::1",
    ],
)
def test_some_addresses_are_never_dialled(address: str) -> None:
    assert "never probed" in (refusal(address, OPEN) or "allowed")


@pytest.mark.parametrize(
    "address",
    ["10.0.0.5", "172.16.3.4", "192.168.1.1", "100.64.0.1", "127.0.0.1", "::1", "fd12::1", "::ffff:10.0.0.5",
     "2002:a00:5::1", "64:ff9b::a00:5"],
)  # fmt: skip
def test_private_addresses_are_for_the_operator_to_allow(address: str) -> None:
    assert refusal(address, OPEN) is None
    assert "PROBE_ALLOW_PRIVATE" in (refusal(address, PUBLIC_ONLY) or "allowed")


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "172.32.0.1", "100.128.0.1", "64:ff9b:1::808:808"]
)
def test_public_addresses_are_dialled(address: str) -> None:
    assert refusal(address, PUBLIC_ONLY) is None


def test_refusal_names_the_address_inside() -> None:
    words = refusal("::ffff:169.254.169.254", OPEN)

    assert words == (
        "refused to connect to ::ffff:169.254.169.254, which leads to 169.254.169.254: "
        "cloud metadata addresses are never probed"
    )


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("0xa9fea9fe", "169.254.169.254"),
        ("169.254.169.254.", "169.254.169.254"),
        ("api.example", None),
        ("256.256.256.256", None),
        ("1.2.3.4.example", None),
        ("", None),
    ],
)
def test_every_notation_of_an_address_is_read(host: str, address: str | None) -> None:
    assert literal(host) == address
