"""The meaning of a resolv.conf, as `getent` with glibc 2.36 shows by the questions that it asks."""

from typing import Any

import pytest

from monitoring.probes.net.resolv_conf import LOCAL, ResolvConf, candidates, parse_resolv_conf

K8S = "search default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5"


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", {"servers": (LOCAL,)}),
        ("nameserver 10.0.0.1\nnameserver\tfd00::53 # ours", {"servers": (("10.0.0.1", 53), ("fd00::53", 53))}),
        ("nameserver fe80::1%eth0", {"servers": (("fe80::1%eth0", 53),)}),
        (" nameserver 10.0.0.1\n;nameserver 10.0.0.2\n#nameserver 10.0.0.3", {"servers": (LOCAL,)}),
        ("NAMESERVER 10.0.0.1\nnameserver ns.example\nnameserver 10.0.0.1;x\nnameserver", {"servers": (LOCAL,)}),
        ("\n".join(f"nameserver 10.0.0.{n}" for n in range(1, 6)),
         {"servers": tuple((f"10.0.0.{n}", 53) for n in range(1, 4))}),
        ("search a.test\tB.test. a.test", {"search": ("a.test", "b.test")}),
        ("search a.test\nsearch b.test", {"search": ("b.test",)}),
        ("search a.test\ndomain b.test x", {"search": ("b.test",)}),
        ("domain a.test\nsearch b.test c.test", {"search": ("b.test", "c.test")}),
        ("search .", {"search": ("",)}),
        ("options ndots:3 rotate timeout:2\noptions attempts:4 edns0 use-vc no-aaaa no-tld-query unknown:1",
         {"ndots": 3, "rotate": True, "attempt_s": 2.0, "attempts": 4, "edns0": True, "use_tcp": True, "no_aaaa": True,
          "no_tld_query": True}),
        ("options ndots:99 timeout:99 attempts:99", {"ndots": 15, "attempt_s": 30.0, "attempts": 5}),
        ("options ndots:0 timeout:0 attempts:0", {"ndots": 0, "attempt_s": 1.0, "attempts": 1}),
        ("options ndots: timeout:x ndots:-1", {"ndots": 0, "attempt_s": 1.0}),
        ("search caf\ufffd.test\n\x00\nnameserver", {"search": ("caf\ufffd.test",)}),
    ],
)  # fmt: skip
def test_resolv_conf_is_read_as_by_glibc(text: str, fields: dict[str, Any]) -> None:
    assert parse_resolv_conf(text, {}, "host") == ResolvConf(**{"servers": (LOCAL,), **fields})


def test_without_search_the_domain_of_the_machine_is_searched() -> None:
    assert parse_resolv_conf("", {}, "web1.dc.example").search == ("dc.example",)
    assert parse_resolv_conf("search a.test", {}, "web1.dc.example").search == ("a.test",)


def test_environment_has_the_last_word() -> None:
    text = "search a.test\noptions ndots:2 timeout:3"

    conf = parse_resolv_conf(text, {"LOCALDOMAIN": "b.test c.test", "RES_OPTIONS": "ndots:4 rotate"}, "host")

    assert (conf.search, conf.ndots, conf.rotate, conf.attempt_s) == (("b.test", "c.test"), 4, True, 3.0)


@pytest.mark.parametrize(
    ("conf", "host", "names"),
    [
        ("", "db", ["db"]),
        ("search a.test", "db", ["db.a.test", "db"]),
        ("search a.test", "db.", ["db"]),
        ("search a.test", "db.x", ["db.x", "db.x.a.test"]),
        ("search a.test b.test\noptions ndots:0", "db", ["db", "db.a.test", "db.b.test"]),
        ("search . a.test", "db", ["db", "db.a.test"]),
        ("search a.test\noptions no-tld-query", "db", ["db.a.test"]),
        ("search a.test\noptions no-tld-query", "db.x", ["db.x", "db.x.a.test"]),
        ("search cluster.local", "db.database.svc", ["db.database.svc", "db.database.svc.cluster.local"]),
        (K8S, "db.database.svc", ["db.database.svc.default.svc.cluster.local", "db.database.svc.svc.cluster.local",
                                  "db.database.svc.cluster.local", "db.database.svc"]),
        (K8S, "api.example.com.", ["api.example.com"]),
        (K8S, "a.b.c.d.e.f", ["a.b.c.d.e.f", "a.b.c.d.e.f.default.svc.cluster.local",
                              "a.b.c.d.e.f.svc.cluster.local", "a.b.c.d.e.f.cluster.local"]),
    ],
)  # fmt: skip
def test_names_are_tried_in_the_order_of_glibc(conf: str, host: str, names: list[str]) -> None:
    assert list(candidates(host, parse_resolv_conf(conf, {}, "host"))) == names
