//! Holds the sources to what the compiler does not: layers, doors for packages, sizes.
//!
//! A module imports only from those above it in [`LAYERS`], in tests too. The rules for a package say in which
//! modules it may be named at all.

mod source;

use std::collections::HashSet;
use std::fs;
use std::path::Path as FilePath;

use source::{Path, Token};

/// The modules of the library, from the first to the last.
const LAYERS: &[&str] = &[
    "units", "clock", "stats", "smtp", "message", "schedule", "behavior", "scenario", "plan",
    "measure", "net", "engine", "sink", "server", "delivery", "report", "live", "cli",
];

/// Packages with the modules or files that may name them.
const DOORS: &[(&str, &[&str])] = &[
    ("clap", &["cli"]),
    ("csv", &["report", "scenario"]),
    ("flate2", &["measure/histogram.rs"]),
    ("hdrhistogram", &["measure"]),
    ("hickory_resolver", &["net/dns.rs"]),
    ("httparse", &["sink/http.rs"]),
    ("indicatif", &["live"]),
    ("nix", &["net"]),
    ("rustls", &["net"]),
    ("tokio", &["net", "engine", "sink", "cli"]),
];

/// Packages that tests may name anywhere.
const FREE_IN_TESTS: &[&str] = &["flate2", "hdrhistogram"];

/// A file longer than this has more than one subject.
const LINES_MAX: usize = 600;

/// A file below `src/`.
struct Source {
    /// Relative to `src/`.
    name: String,
    text: String,
}

#[test]
fn the_sources_keep_their_layers() {
    let mut sources = Vec::new();
    let root = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("src");
    read(&root, &root, &mut sources);
    assert!(sources.len() > 10, "only {} files in {}", sources.len(), root.display());
    let faults = check(&sources);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

fn read(root: &FilePath, folder: &FilePath, out: &mut Vec<Source>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            read(root, &path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            out.push(Source { name, text: fs::read_to_string(&path).unwrap() });
        }
    }
}

/// Every fault, with file and line.
fn check(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    let tokens: Vec<Vec<Token>> = sources.iter().map(|s| source::tokens(&s.text)).collect();
    let test_files: HashSet<String> =
        sources.iter().zip(&tokens).flat_map(|(s, tokens)| test_modules(s, tokens)).collect();
    for (source, tokens) in sources.iter().zip(&tokens) {
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            faults.push(format!("src/{}:{lines}: over {LINES_MAX} lines", source.name));
        }
        let stem = source.name.strip_suffix(".rs").unwrap_or(&source.name);
        let is_test = test_files.iter().any(|test| {
            stem == test || stem.strip_prefix(test.as_str()).is_some_and(|r| r.starts_with('/'))
        });
        check_unwraps(source, tokens, is_test, &mut faults);
        if source.name == "lib.rs" {
            check_order(source, tokens, &mut faults);
        }
        check_paths(source, &source::paths(tokens), is_test, &mut faults);
    }
    // Several leaves of one `use` say the same.
    faults.dedup();
    faults
}

/// The modules that `source` declares for tests only, as names relative to `src/` without `.rs`.
fn test_modules(source: &Source, tokens: &[Token]) -> Vec<String> {
    let base = module_path(&source.name).join("/");
    let declared = tokens.windows(3).filter(|w| w[0].text == "mod" && w[2].text == ";");
    declared
        .filter(|w| w[0].test)
        .map(|w| format!("{base}/{}", w[1].text).trim_start_matches('/').to_owned())
        .collect()
}

/// The module that a file is: `scenario/script/mod.rs` is `[scenario, script]`.
fn module_path(name: &str) -> Vec<&str> {
    let stem = name.strip_suffix(".rs").unwrap_or(name);
    let mut path: Vec<&str> = stem.split('/').collect();
    if matches!(path.last(), Some(&"mod" | &"lib" | &"main")) {
        path.pop();
    }
    path
}

fn check_unwraps(source: &Source, tokens: &[Token], is_test: bool, faults: &mut Vec<String>) {
    for window in tokens.windows(3) {
        let texts = [&window[0].text, &window[1].text, &window[2].text];
        if !is_test && !window[1].test && texts == [".", "unwrap", "("] {
            let Token { line, .. } = window[1];
            faults.push(format!("src/{}:{line}: unwrap() outside tests", source.name));
        }
    }
}

/// The modules of the library stand in the order of the layers.
fn check_order(source: &Source, tokens: &[Token], faults: &mut Vec<String>) {
    let mut last = 0;
    for window in tokens.windows(3) {
        if window[0].text != "mod" || window[2].text != ";" {
            continue;
        }
        let Token { line, text, .. } = &window[1];
        match layer(text) {
            None => faults.push(format!("src/{}:{line}: `{text}` is no layer", source.name)),
            Some(index) if index < last => {
                let before = LAYERS[last];
                faults.push(format!("src/{}:{line}: `{text}` behind `{before}`", source.name));
            }
            Some(index) => last = index,
        }
    }
}

fn check_paths(source: &Source, paths: &[Path], is_test: bool, faults: &mut Vec<String>) {
    let file = &source.name;
    let module = module_path(file);
    let own = module.first().copied();
    if let Some(own) = own
        && layer(own).is_none()
    {
        faults.push(format!("src/{file}:1: `{own}` is no layer"));
    }
    for path in paths {
        let Path { line, segments, .. } = path;
        let package = segments[0].as_str();
        if let Some((_, rooms)) = DOORS.iter().find(|(name, _)| *name == package) {
            let inside = rooms.iter().any(|room| own == Some(room) || file == room);
            let free = FREE_IN_TESTS.contains(&package) && (path.test || is_test);
            if !inside && !free {
                faults.push(format!(
                    "src/{file}:{line}: `{package}` enters only by {}",
                    rooms.join(", ")
                ));
            }
        }
        // The library's top modules may be named anywhere in lib.rs and main.rs.
        let (Some(own), Some(named)) = (own, top_module(path, &module)) else { continue };
        match (layer(own), layer(named)) {
            (Some(above), Some(below)) if below > above => faults.push(format!(
                "src/{file}:{line}: `{own}` imports from `{named}`, which stands below it"
            )),
            (_, None) if named == "*" => {
                faults
                    .push(format!("src/{file}:{line}: `{}` hides its layers", segments.join("::")));
            }
            _ => {}
        }
    }
}

/// The top module that a path leads to, where it starts at the crate: by name, or by enough `super`.
fn top_module<'a>(path: &'a Path, module: &[&str]) -> Option<&'a str> {
    let segments = &path.segments;
    let named = match segments[0].as_str() {
        "crate" => 1,
        "super" | "self" => {
            let ups = segments.iter().take_while(|s| *s == "super" || *s == "self").count();
            let supers = segments[..ups].iter().filter(|s| *s == "super").count();
            if supers < module.len() + path.depth {
                return None;
            }
            ups
        }
        _ => return None,
    };
    segments.get(named).map(String::as_str)
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| *layer == module)
}

/// The faults of one file, and of a second where there is a neighbour.
#[track_caller]
fn planted(files: &[(&str, &str)], want: &[&str]) {
    let sources: Vec<Source> = files
        .iter()
        .map(|(name, text)| Source { name: (*name).to_owned(), text: (*text).to_owned() })
        .collect();
    assert_eq!(check(&sources), want, "{files:?}");
}

#[test]
fn an_import_that_points_down_is_found_however_it_is_written() {
    let down = |line| {
        format!("src/stats/mod.rs:{line}: `stats` imports from `engine`, which stands below it")
    };
    for text in [
        "\nuse crate::engine::Worker;",
        "\nuse crate::{units::Rate, engine};",
        "\nuse crate::{units::{self, Rate}, engine::{a::B, c}};",
        "\npub(crate) use crate::engine as motor;",
        "\nfn f() { crate::engine::go(); }",
        "\nfn f(x: &crate::engine::Worker) {}",
        "\nuse super::engine::Worker;",
        "\nmod tests { use super::super::engine::Worker; }",
        "\nmod tests { fn f() { super::super::engine::go() } }",
        "\n#[cfg(test)] mod tests { use crate::engine::Worker; }",
        "\nmacro_rules! m { () => { $crate::engine::go() } }",
        "/* a /* nested */ comment\n*/ use crate::engine::Worker;",
        "const A: &str = r#\"\n\"#; use crate::engine::Worker;",
        "const A: char = '\"'; const B: &str = \"\\\"\n\"; use crate::engine::Worker;",
    ] {
        let line = 1 + text[..text.find("engine").unwrap()].matches('\n').count();
        let line = if text.contains("'\"'") || text.contains("r#") { 2 } else { line };
        planted(&[("stats/mod.rs", text)], &[&down(line)]);
    }
    planted(
        &[("stats/deep/er.rs", "use super::super::super::engine;\nuse super::super::engine;")],
        &["src/stats/deep/er.rs:1: `stats` imports from `engine`, which stands below it"],
    );
    planted(
        &[("stats/mod.rs", "use crate::*;")],
        &["src/stats/mod.rs:1: `crate::*` hides its layers"],
    );
}

#[test]
fn an_import_that_points_up_or_stays_is_none() {
    for text in [
        "use crate::units::Rate; use crate::net::x; use self::engine::Y; use crate::engine::z;",
        "// use crate::cli::Args;\nconst A: &str = \"crate::cli::Args\";",
        "/// `crate::cli::Args`\nfn f<'a>(x: &'a str) -> char { 'x' }",
        "use super::scenario::Scenario; mod tests { use super::cli; }",
        "fn f() { x.csv::<T>(); report::csv::g() }",
    ] {
        planted(&[("engine/mod.rs", text)], &[]);
    }
    planted(
        &[("main.rs", "fn main() { smtpbench::cli::main() }"), ("cli/mod.rs", "use clap::Parser;")],
        &[],
    );
}

#[test]
fn a_package_beside_its_door_is_found() {
    let check = |file: &str, text: &str, want: &[&str]| planted(&[(file, text)], want);
    check("live.rs", "use clap::Parser;", &["src/live.rs:1: `clap` enters only by cli"]);
    check("plan.rs", "\n#[derive(clap::Args)]", &["src/plan.rs:2: `clap` enters only by cli"]);
    check(
        "cli/run.rs",
        "use {std::fmt, indicatif as i};",
        &["src/cli/run.rs:1: `indicatif` enters only by live"],
    );
    check(
        "report/csv.rs",
        "use hdrhistogram::Histogram;",
        &["src/report/csv.rs:1: `hdrhistogram` enters only by measure"],
    );
    check("measure/histogram.rs", "use hdrhistogram::Histogram;", &[]);
    check("report/csv.rs", "#[cfg(test)]\nmod tests { use hdrhistogram::Histogram; }", &[]);
    check(
        "smtp/mod.rs",
        "#[cfg(test)]\nmod tests { use tokio::time; }",
        &["src/smtp/mod.rs:2: `tokio` enters only by net, engine, sink, cli"],
    );
    check("report/mod.rs", "use super::report::csv; use crate::report::{csv::Row};", &[]);
    check("live.rs", "use crate::{report::csv};", &[]);
}

#[test]
fn unwraps_long_files_and_strange_modules_are_found() {
    planted(
        &[("units.rs", "fn f() {\n x.unwrap() }")],
        &["src/units.rs:2: unwrap() outside tests"],
    );
    planted(
        &[("units.rs", "#[cfg(test)]\nfn f() { x.unwrap() }\nfn g() { x.unwrap() }")],
        &["src/units.rs:3: unwrap() outside tests"],
    );
    planted(&[("units.rs", "fn f() { x.unwrap_or(1) } #[test] fn g() { x.unwrap() }")], &[]);
    planted(
        &[
            ("smtp/mod.rs", "#[cfg(test)] mod tests; mod code;"),
            ("smtp/tests.rs", "fn f() { x.unwrap() }"),
            ("smtp/tests/more.rs", "fn f() { x.unwrap() }"),
            ("smtp/code.rs", "fn f() { x.unwrap() }"),
        ],
        &["src/smtp/code.rs:1: unwrap() outside tests"],
    );
    planted(&[("units.rs", &"\n".repeat(LINES_MAX))], &[]);
    planted(&[("units.rs", &"\n".repeat(LINES_MAX + 1))], &["src/units.rs:601: over 600 lines"]);
    planted(&[("util/mod.rs", "")], &["src/util/mod.rs:1: `util` is no layer"]);
    planted(
        &[("lib.rs", "pub mod units;\npub mod smtp;\npub mod clock;\nmod common;")],
        &["src/lib.rs:3: `clock` behind `smtp`", "src/lib.rs:4: `common` is no layer"],
    );
}
