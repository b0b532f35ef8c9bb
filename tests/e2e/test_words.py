"""How the pages write numbers, and what the server says of them."""

from playwright.sync_api import Page

from .conftest import Server


def test_sentences_are_written_as_the_pages_write_numbers(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/models")
    said = page.evaluate("""async () => {
        const { prose } = await import("/static/format.js");
        const { coded } = await import("/static/dom.js");
        const parts = coded("No more than `steps`: once.").map((one) => one.outerHTML ?? one);
        return [prose("97 % of -0.331 (-1e-05), from conv-1"), parts];
    }""")
    assert said == [
        "97% of \N{MINUS SIGN}0.331 (\N{MINUS SIGN}1e-05), from conv-1",
        ["No more than ", "<code>steps</code>", ": once."],
    ]


def test_a_job_that_is_joined_late_says_how_long_it_takes(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/models")
    said = page.evaluate("""async () => {
        const { JobProgress } = await import("/static/parts/job-progress.js");
        const words = (started) => {
            const progress = new JobProgress(() => null);
            progress.start(1, started);
            progress.report({ done: 25, total: 100, message: "Measuring" });
            return progress.words.textContent;
        };
        return [words(null), words(new Date(Date.now() - 20_000).toISOString())];
    }""")
    assert said == ["Measuring", "Measuring \N{MIDDLE DOT} about 60 s left"]


def test_what_a_result_keeps_is_not_all_that_there_is(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/models")
    said = page.evaluate("""async () => {
        const { drawClassList } = await import("/static/panels/class-list.js");
        const words = (kept, classes) => {
            const place = document.createElement("div");
            const predictions = Array.from({ length: kept }, (_, index) =>
                ({ index, label: `c${index}`, probability: 0 }));
            const listing = { predictions, classes, scores: false, explainHref: () => "#" };
            drawClassList(place, listing, new Map(), "", () => null);
            return place.querySelector(":scope > p")?.textContent ?? "";
        };
        return [words(8, 8), words(20, null), words(100, 1000), words(100, null)];
    }""")
    assert said == ["", "and 12 more", "and 992 more", "and more"]
