//! A comparison as one page: no script, no network, light and dark.

use std::fmt::Write as _;

use super::{Comparison, Conclusion, words};
use crate::report::chart::escape;
use crate::smtp::text::printable;
use crate::stats::comparison::Word;

const HEAD: &str = "\
<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>smtpbench: comparison</title>
<style>
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem; max-width: 72rem; }
h2 { border-left: .4rem solid #888; padding-left: .6rem; font-size: 1.2rem; }
h2.bad { border-color: #d55e00; }
h2.good { border-color: #0072b2; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8884; }
td.number, th.number { text-align: right; white-space: nowrap; }
td.change { white-space: nowrap; }
tr.worse td.word { color: #d55e00; font-weight: bold; }
tr.better td.word { color: #0072b2; font-weight: bold; }
td.more, .method { opacity: .8; font-size: .9rem; }
@media (prefers-color-scheme: dark) {
  tr.worse td.word { color: #ff9e4a; }
  tr.better td.word { color: #56b4e9; }
}
</style>
</head>
<body>
<h1>smtpbench: comparison</h1>
";

/// The page.
#[must_use]
pub fn html(comparisons: &[Comparison]) -> String {
    let mut out = HEAD.to_owned();
    for comparison in comparisons {
        block(&mut out, comparison);
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn block(out: &mut String, comparison: &Comparison) {
    let class = match comparison.conclusion() {
        Conclusion::Regression => "bad",
        Conclusion::NoRegression => "good",
        Conclusion::Inconclusive | Conclusion::NoVerdict => "open",
    };
    let target = comparison.target.as_ref().map(|target| format!("{}: ", safe(target)));
    let target = target.unwrap_or_default();
    let _ = writeln!(
        out,
        "<h2 class=\"{class}\">{target}{}</h2>\n<ul>",
        safe(&words::conclusion(comparison))
    );
    for (label, side) in words::sides(comparison) {
        let _ = writeln!(out, "<li>{label}: {}</li>", safe(&side));
    }
    for mismatch in words::mismatches(comparison) {
        let _ = writeln!(out, "<li><strong>{}</strong></li>", safe(&mismatch));
    }
    let _ = writeln!(out, "</ul>\n<p class=\"method\">{}</p>", safe(&words::method(comparison)));
    out.push_str(
        "<div class=\"table\">\n<table>\n<thead><tr><th>metric</th><th class=\"number\">baseline</th>\
         <th class=\"number\">candidate</th><th>change, 95 % interval</th><th>verdict</th><th></th></tr></thead>\n<tbody>\n",
    );
    for row in &comparison.rows {
        let (class, word) = match (comparison.conclusion(), row.answer.word) {
            (Conclusion::NoVerdict, _) => ("none", "no verdict"),
            (_, Word::Worse) => ("worse", words::word(row)),
            (_, Word::Better) => ("better", words::word(row)),
            _ => ("none", words::word(row)),
        };
        let remark = words::remark(row, comparison.method);
        let more: Vec<String> = remark
            .into_iter()
            .chain(Some(words::sees(row)).filter(|sees| !sees.is_empty()))
            .collect();
        let _ = writeln!(
            out,
            "<tr class=\"{class}\"><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"change\">{}</td><td class=\"word\">{word}</td><td class=\"more\">{}</td></tr>",
            safe(&row.metric),
            safe(&words::value(row.unit, row.baseline)),
            safe(&words::value(row.unit, row.candidate)),
            safe(&words::difference(row)),
            safe(&more.join("; ")),
        );
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    if let Some(left_out) = words::left_out(comparison) {
        let _ = writeln!(out, "<p class=\"method\">{}</p>", safe(&left_out));
    }
}

/// Text that a page shows as it is: names and addresses come from files.
fn safe(text: &str) -> String {
    escape(&printable(text.as_bytes()))
}
