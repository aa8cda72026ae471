//! What holds for every text.

use proptest::prelude::*;

use super::*;

/// Lines that are sound somewhere.
const LINES: &[&str] = &[
    "hello",
    "MAIL FROM:<{{sender}}>",
    "MAIL FROM:<>",
    "RCPT TO:<{{recipient}}> => 250 | 4xx",
    "RCPT TO:<x>",
    "RSET",
    "NOOP",
    "QUIT",
    "DATA",
    "DATA receipt drop at 1%..2%",
    "BDAT chunk 5",
    "send \"\\r\\n\"",
    "expect 250",
    "pause 1ms",
    "drop",
    "transaction",
    "transaction pipelined",
    "repeat 2",
    "repeat 20000",
    "pipeline",
    "end",
    "end",
    "end",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_compiled_or_refused(
        text in "(\\PC|[ \t\r\n\"#|\\\\]|=>|\\{\\{|\\}\\}|DATA|send|x|250|\0)*",
        picks in prop::collection::vec(0..LINES.len(), 0..12),
    ) {
        let lines: Vec<&str> = picks.iter().map(|pick| LINES[*pick]).collect();
        let text = format!("{}\n{text}", lines.join("\n"));
        let mut faults = Faults::default();
        let script = parse(&text, &mut StepNames::default(), &mut faults);
        prop_assert_eq!(script.is_some(), faults.is_empty());
        for fault in faults.iter() {
            let Place::Scenario(span) = &fault.place else { panic!("{fault:?}") };
            let span = span.start - OFFSET..span.end - OFFSET;
            prop_assert!(text.get(span.clone()).is_some(), "{:?}", span);
        }
    }

    #[test]
    fn compiled_scripts_are_well_formed(
        before in prop::collection::vec(block(), 0..3),
        pipelined in prop::bool::ANY,
        inside in prop::collection::vec(block(), 0..6),
        last in prop::sample::select(&["NOOP", "DATA", "DATA drop at 5%", "BDAT", "drop", "QUIT"][..]),
        after in prop::collection::vec(block(), 0..2),
    ) {
        let mut lines = before;
        lines.push(if pipelined { "transaction pipelined" } else { "transaction" }.to_owned());
        lines.push("MAIL FROM:<>".to_owned());
        lines.extend(inside);
        lines.extend([last.to_owned(), "end".to_owned()]);
        lines.extend(after);
        let text = lines.join("\n");
        if let Some(mut script) = parse(&text, &mut StepNames::default(), &mut Faults::default()) {
            prop_assert_eq!(script.verify_shape(), Ok(()), "{}", text);
            let others = |script: &Script| {
                let kept = |op: &&Op| !matches!(op, Op::GroupStart { .. } | Op::GroupEnd);
                script.ops.iter().filter(kept).count()
            };
            let count = others(&script);
            script.pipeline_transaction();
            prop_assert_eq!(script.verify_shape(), Ok(()), "{}", text);
            prop_assert_eq!(others(&script), count, "{}", text);
        }
    }
}

/// A line, or a block of them.
fn block() -> impl Strategy<Value = String> {
    let line = prop::sample::select(
        &["RCPT TO:<x>", "RSET", "NOOP", "VRFY {{1..2}}", "send \"x\"", "pause 1ms", "expect 250"]
            [..],
    );
    line.prop_map(str::to_owned).prop_recursive(3, 16, 4, |inner| {
        let word = prop::sample::select(&["repeat 2", "repeat 20000", "pipeline"][..]);
        (word, prop::collection::vec(inner, 1..4))
            .prop_map(|(word, lines)| format!("{word}\n{}\nend", lines.join("\n")))
    })
}
