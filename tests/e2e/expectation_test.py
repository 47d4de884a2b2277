"""Tests of the comparison itself: a runner that accepts a wrong line is worse than none."""
import pathlib
import tempfile
import unittest

import cases
import expectation

EXPECTED = {"findings": [{"kind": "tcp", "peer": "{db}", "function": "shop/store.(*Store).Overdue", "marker": "rows"}]}
VALUES = {"db": "127.0.0.1:5432"}


def finding(**changes):
    blame = {"role": "used", "function": "shop/store.(*Store).Overdue", "file": "/src/store.go", "line": 2, "rule": "r"}
    blame.update(changes.pop("blame", {}))
    return {"verdict": "leaking", "kind": "tcp", "peer": "127.0.0.1:5432", "count": 9, "blame": blame, **changes}


class Comparison(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        pathlib.Path(self.folder.name, "store.go").write_text("a\nrows := query() // LEAK[used,borrowed]: rows\n")

    def tearDown(self):
        self.folder.cleanup()

    def complaints(self, *findings):
        return expectation.complaints_about_leak({"findings": list(findings)}, EXPECTED, self.folder.name, VALUES)

    def test_the_marked_line_is_right(self):
        self.assertEqual(self.complaints(finding()), [])

    def test_another_line_function_role_or_peer_is_wrong(self):
        for wrong in (finding(blame={"line": 3}), finding(blame={"function": "shop/store.(*Store).query"}),
                      finding(blame={"role": "opened"}), finding(peer="127.0.0.1:5433"), finding(kind="udp")):
            self.assertEqual(len(self.complaints(wrong)), 2, wrong)

    def test_a_suspicion_alone_is_not_enough_and_beside_the_finding_no_mistake(self):
        self.assertEqual(len(self.complaints(finding(verdict="suspect"))), 1)
        self.assertEqual(self.complaints(finding(), finding(verdict="suspect")), [])

    def test_a_second_finding_elsewhere_is_wrong(self):
        self.assertEqual(len(self.complaints(finding(), finding(blame={"line": 3}))), 1)

    def test_silence_on_a_victim_is_wrong(self):
        self.assertEqual(len(self.complaints()), 1)

    def test_older_ones_without_a_name_are_no_mistake(self):
        older = finding()
        older["blame"] = None
        self.assertEqual(self.complaints(finding(), older), [])
        self.assertEqual(len(self.complaints(older)), 1)

    def test_names_are_compared_without_what_symbolizers_differ_in(self):
        for spelt, plain in (
                ("rust_quotes::quotes::Quotes::follow::{{closure}}::h0123456789abcdef", "rust_quotes::quotes::Quotes::follow"),
                ("rust_quotes::quotes::Quotes::follow::{async_fn#0}", "rust_quotes::quotes::Quotes::follow"),
                ("Gate::turn_away(int, std::string const&)", "Gate::turn_away"),
                ("Tariffs::rate(int) const", "Tariffs::rate"),
                ("(anonymous namespace)::ask(redisContext*)", "ask"),
                ("shop.test/v/store.(*Store).Overdue", "shop.test/v/store.(*Store).Overdue")):
            self.assertEqual(expectation.plain_function(spelt), plain)


class Cases(unittest.TestCase):
    def test_a_block_is_a_case(self):
        first, second = cases.parse("# a note\nNAME a\nVICTIM go-ledger --fixed\nEXPECT nothing\n\nNAME b\nEXPECT exit 3\nEXPECT within 5\n")
        self.assertEqual(first.victim, ("go-ledger", ["--fixed"]))
        self.assertEqual(second.get("EXPECT"), ["exit 3", "within 5"])

    def test_mistakes_are_told(self):
        for text in ("NAME a\nEXPECTS b", "NAME a", "NAME a\nNAME b\nEXPECT leak", "NAME a\nEXPECT leak\n\nNAME a\nEXPECT leak"):
            with self.assertRaises(ValueError):
                cases.parse(text)

    def test_every_marker_that_an_expectation_names_is_in_its_sources(self):
        import json
        for path in sorted((pathlib.Path(__file__).parents[2] / "victims").glob("*/expect.json")):
            data = json.loads(path.read_text())
            known = expectation.markers(path.parent)
            for expected in data["findings"]:
                for choice in [expected] + expected.get("also", []):
                    if choice.get("blame", "line") is not None:
                        self.assertIn(choice["marker"], known, path)

    def test_a_rung_that_sees_less_has_expectations_of_its_own(self):
        expected = {"kind": "tcp", "marker": "m", "function": "f", "seccomp": {"blame": None}}
        self.assertEqual(expectation.on_rung(expected, "bpf").get("blame", "line"), "line")
        self.assertIsNone(expectation.on_rung(expected, "seccomp")["blame"])
        either = {"kind": "tcp", "marker": "m", "function": "f", "blame": "line or null"}
        lines = {"m": {("x.c", 3): {"opened"}}}
        blame = {"role": "opened", "function": "f", "file": "/x.c", "line": 3}
        self.assertTrue(expectation.blames({"blame": blame}, either, lines))
        self.assertTrue(expectation.blames({"blame": None, "blame_reason": "why"}, either, lines))
        self.assertFalse(expectation.blames({"blame": {**blame, "line": 4}}, either, lines))
        missed = {"findings": [{"kind": "unix", "marker": "m", "function": "f", "seccomp": {"missed": "why"}}]}
        folder = pathlib.Path(__file__).parent / "cases"
        self.assertEqual(expectation.complaints_about_leak({"rung": "seccomp"}, missed, folder, {}), [])
        self.assertTrue(expectation.complaints_about_leak({"rung": "bpf"}, missed, folder, {}))


class Situations(unittest.TestCase):
    REPORT = {"groups": [{"diagnosis": "unknown"}], "limits": [{"diagnosis": "slow"}],
              "findings": [{"verdict": "suspect", "evidence": [{"kind": "passed-over"}]}]}

    def test_a_diagnosis_may_be_of_a_group_or_of_a_limit(self):
        self.assertEqual(expectation.complaints_about_diagnosis(self.REPORT, "slow"), [])
        self.assertTrue(expectation.complaints_about_diagnosis(self.REPORT, "limit-too-small"))

    def test_a_verdict_and_an_evidence_are_of_some_finding(self):
        self.assertEqual(expectation.complaints_about_verdict(self.REPORT, "suspect"), [])
        self.assertTrue(expectation.complaints_about_verdict(self.REPORT, "leaking"))
        self.assertEqual(expectation.complaints_about_evidence(self.REPORT, "passed-over"), [])
        self.assertTrue(expectation.complaints_about_evidence(self.REPORT, "heartbeat"))


if __name__ == "__main__":
    unittest.main()
