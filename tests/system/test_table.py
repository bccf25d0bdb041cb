"""tarkka table: what it writes is what h5py reads, to the last bit; and what it says when it cannot."""
import csv
import json
import unittest

import h5py
import numpy

from harness import SystemTest, tarkka

STEPS = [{"threshold": {"method": "fixed", "value": 33}}, {"label": {}},
         {"measure": {"intensity": "input", "properties": "all"}}]


class Table(SystemTest):
    def setUp(self):
        super().setUp()
        self.result = self.folder / "R.h5"
        self.output = self.folder / "t.csv"
        random = numpy.random.default_rng(5)
        with h5py.File(self.folder / "i.h5", "w") as file:
            file["i"] = (40 * random.random((11, 23, 29))).astype(numpy.float32)
            file["i"].attrs["element_size_um"] = [0.3, 0.1, 0.1]

    def run_steps(self, steps=STEPS):
        self.ok("run", self.workflow(str(self.folder / "i.h5"), steps), "--output", self.result, "--overwrite")

    def columns(self, name="measure"):
        with h5py.File(self.result) as file:
            table = file[f"tables/{name}"]
            return {c: (table[c][...], table[c].attrs["unit"]) for c in table.attrs["columns"]}

    def check_csv(self, text, units, name="measure"):
        rows, columns = list(csv.reader(text.splitlines())), self.columns(name)
        self.assertEqual(rows[0], list(columns))
        if units:
            self.assertEqual(rows[1], [unit for _, unit in columns.values()])
        for column, (values, _), written in zip(columns, columns.values(), zip(*rows[1 + units:])):
            found = numpy.array([float(v) for v in written]).astype(values.dtype)
            numpy.testing.assert_array_equal(found, values, column)
        self.assertEqual(len(rows), 1 + units + len(next(iter(columns.values()))[0]))

    def test_csv(self):
        self.run_steps()
        self.check_csv(self.ok("table", self.result).stdout, False)
        self.check_csv(self.ok("table", f"{self.result}:/tables/measure", "--units").stdout, True)
        self.ok("table", self.result, "--output", self.output)
        self.check_csv(self.output.read_text(), False)
        self.fails(1, "exists already; give --overwrite", arguments=("table", self.result, "--output", self.output))
        self.ok("table", self.result, "--output", self.output, "--overwrite", "--units")
        self.check_csv(self.output.read_text(), True)

    def test_json(self):
        self.run_steps()
        written, columns = json.loads(self.ok("table", self.result, "--json").stdout), self.columns()
        self.assertEqual([c["name"] for c in written["columns"]], list(columns))
        for column in written["columns"]:
            values, unit = columns[column["name"]]
            self.assertEqual((column["unit"], column["type"], written["rows"]), (unit, str(values.dtype), len(values)))
            found = numpy.array([numpy.nan if v is None else v for v in column["values"]]).astype(values.dtype)
            numpy.testing.assert_array_equal(found, values, column["name"])
            self.assertTrue(column["description"])

    def test_several_tables_and_none(self):
        self.run_steps([*STEPS, {"measure": {"name": "again"}}])
        self.fails(3, "which table?", "/tables/again, /tables/measure", arguments=("table", self.result))
        self.fails(3, "has no table /tables/mesure", arguments=("table", f"{self.result}:/tables/mesure"))
        self.check_csv(self.ok("table", f"{self.result}:/tables/again").stdout, False, "again")
        self.fails(3, "holds no tables", arguments=("table", self.folder / "i.h5"))
        self.fails(3, "w.txt", arguments=("table", self.write("w.txt", "no table")))
        self.fails(3, "none.h5", arguments=("table", self.folder / "none.h5"))

    def test_no_rows(self):
        self.run_steps([{"threshold": {"method": "fixed", "value": 100}}, *STEPS[1:]])
        self.check_csv(self.ok("table", self.result).stdout, False)
        self.assertEqual(json.loads(self.ok("table", self.result, "--json").stdout)["rows"], 0)

    def test_damaged(self):
        """Columns that are missing, of several lengths, of texts, huge; no list of columns."""
        def shorten(table):
            del table["area"]
            table["area"] = numpy.arange(3)

        def claim(table):
            del table["area"]
            table.create_dataset("area", (1 << 40,), chunks=(1 << 16,), dtype="i8")

        def make_texts(table):
            del table["area"]
            table["area"] = ["a"] * table.attrs["rows"]

        for damage in (lambda t: t.__delitem__("area"), shorten, claim, make_texts, lambda t: t.attrs.__delitem__("columns"),
                       lambda t: t.attrs.__setitem__("columns", 7)):
            self.run_steps()
            with h5py.File(self.result, "r+") as file:
                damage(file["tables/measure"])
            self.fails(3, "is not a table of tarkka, or it is damaged", arguments=("table", self.result))

    def test_cut_off(self):
        self.run_steps()
        data = self.result.read_bytes()
        for keep in range(0, len(data), len(data) // 50):
            self.result.write_bytes(data[:keep])
            self.assertEqual(tarkka("table", self.result).returncode, 3)


if __name__ == "__main__":
    unittest.main()
