"""The benchmark of lists measures every list, order and filter of the API document."""

from math import prod

from benchmarks.growth.__main__ import BIG, SMALL, Cost, written
from benchmarks.growth.cases import PAGING, cases
from tests.api.operations import document, operations


def test_every_list_order_and_filter_of_the_document_is_measured() -> None:
    measured = list(cases(document()))

    for operation in operations():
        names = {parameter["name"] for parameter in operation.query}
        if "page" not in names:
            continue
        of_list = [case for case in measured if case.operation == str(operation)]
        assert {name for case in of_list for name in case.query} >= names - PAGING - {"sortBy", "sortOrder"}, operation
        if "sortBy" in names:
            options = [each["schema"]["enum"] for each in operation.query if each["name"] in {"sortBy", "sortOrder"}]
            orders = {(case.query.get("sortBy"), case.query.get("sortOrder")) for case in of_list}
            assert len(orders - {(None, None)}) == prod(map(len, options)), operation
    assert len({str(case) for case in measured}) == len(measured)


def test_the_report_counts_what_grows() -> None:
    small = {("`listA`", False): Cost(1.0, 2.0), ("`listB`", False): Cost(2.0, 3.0)}
    big = {("`listA`", False): Cost(1.4, 2.5), ("`listB`", False): Cost(4.0, 5.0), ("`listB`", True): Cost(1.0, 2.0)}

    report = written([SMALL, BIG], [small, big])

    assert "3 lists, orders and filters. Median ratio 1.46; 1 cost more than 1.5\n" in report
    assert "| list | call, 10,000 | SQL, 10,000 | call, 1,000,000 | SQL, 1,000,000 | × |" in report
    assert "| `listA` | 2.0 | 1.0 | 2.5 | 1.4 | 1.25 |" in report
    assert "| `listB` after |  |  | 2.0 | 1.0 |  |" in report
