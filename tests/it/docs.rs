//! What the pages under `docs/` say to type: every command has the flags that it is given there, and the workflow is YAML.

use std::path::Path;

use serde_yaml_ng::Value;

use crate::support::program::Smtpbench;

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The commands of a shell script that call this program, lines that go on joined.
fn commands(script: &str) -> Vec<String> {
    let joined = script.replace("\\\n", " ");
    let calls = joined.lines().map(str::trim).filter(|line| line.starts_with("smtpbench "));
    calls.map(|line| line.split(" > ").next().unwrap_or(line).to_owned()).collect()
}

/// Parses a command to its end: a flag or value that the program does not know stands before the `--help` that would end it.
#[track_caller]
fn known(command: &str) {
    let words = command.replace('"', "");
    let words: Vec<&str> = words.split_whitespace().skip(1).collect();
    let finished = Smtpbench::new(&words).arg("--help").run().code(&[0]);
    assert!(finished.stdout.contains("Usage: smtpbench"), "{finished}");
}

/// The blocks of a page that are fenced as YAML.
fn fenced(page: &str) -> Vec<&str> {
    let blocks = page.split("```yaml\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default()).collect()
}

#[test]
fn a_flag_that_is_none_is_found() {
    let command = &commands("echo\n  smtpbench run \\\n    --no-such-flag x > y\n")[0];
    assert_eq!(command, "smtpbench run      --no-such-flag x");
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    Smtpbench::new(&words).arg("--help").run().code(&[64]);
}

#[test]
fn commands_in_the_pages_have_their_flags() {
    let page = page("compare.md");
    let lines = page.lines().filter_map(|line| line.strip_prefix("    "));
    let commands = commands(&lines.collect::<Vec<_>>().join("\n"));
    assert!(commands.len() >= 4, "{commands:?}");
    commands.iter().for_each(|command| known(command));
}

#[test]
fn the_workflow_is_yaml_whose_commands_have_their_flags() {
    let page = page("ci.md");
    let blocks = fenced(&page);
    assert_eq!(blocks.len(), 1, "one workflow");
    let workflow: Value = serde_yaml_ng::from_str(blocks[0]).unwrap();
    let job = &workflow["jobs"]["compare"];
    assert!(workflow.get("on").is_some() && job["runs-on"].as_str().is_some(), "{workflow:?}");
    let Value::Sequence(steps) = &job["steps"] else { panic!("no steps: {job:?}") };
    let mut calls = Vec::new();
    for step in steps {
        let does = ["run", "uses"].iter().filter(|what| step.get(**what).is_some()).count();
        assert_eq!(does, 1, "a step runs or uses something: {step:?}");
        let script = step.get("run").and_then(Value::as_str);
        calls.extend(commands(script.unwrap_or_default()));
    }
    for (wanted, flag) in [("check", ""), ("run", "--seed"), ("compare", "--fail-on regression")] {
        let call = calls.iter().find(|call| call.starts_with(&format!("smtpbench {wanted} ")));
        assert!(call.is_some_and(|call| call.contains(flag)), "{wanted} in {calls:?}");
    }
    calls.iter().for_each(|call| known(call));
}
