//! A folder that is read back, and folders that are not what they seem.

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;

use super::*;

/// The folder of the known run, and what it wrote.
fn known_folder() -> (TempDir, Record) {
    let outer = tempfile::tempdir().unwrap();
    let mut folder = ResultFolder::create(outer.path()).unwrap();
    folder.begin(facts().started).unwrap();
    let (plan, mut collector) = known_run(|collector| {
        folder.log(&Layout::new(&known_plan()), &collector.take_completed()).unwrap();
    });
    folder.log(&Layout::new(&plan), &collector.take_rest()).unwrap();
    let record = record(&plan, collector.summary(&plan, &end()));
    folder.finish(&record).unwrap();
    (outer, record)
}

/// What is wrong with the folder.
#[track_caller]
fn refused(folder: &Path) -> String {
    let said = match Saved::read(folder) {
        Ok(_) => panic!("{} is read", folder.display()),
        Err(error) => error.to_string(),
    };
    assert!(!said.contains("panicked") && said.lines().count() == 2, "{said}");
    said
}

#[test]
fn a_folder_renders_again_what_the_run_wrote() {
    let (folder, record) = known_folder();
    let saved = Saved::read(folder.path()).unwrap();
    assert_eq!(saved.record, record);
    for (name, bytes) in csv::files(&saved.record) {
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), bytes, "{name}");
    }
    assert_eq!(text::render(&saved.record, true), text::render(&record, true));
    let run = folder.path().join("run.json");
    assert_eq!(fs::read(&run).unwrap(), manifest::write(&saved.record));
    // The file stands for its folder.
    assert_eq!(Saved::read(&run).unwrap().record, record);
}

#[test]
fn several_targets_share_the_files_of_a_folder() {
    let outer = tempfile::tempdir().unwrap();
    let mut folder = ResultFolder::create(outer.path()).unwrap();
    folder.begin(facts().started).unwrap();
    let mut targets = Vec::new();
    for (name, seconds) in [("ses", 10), ("own", 4)] {
        let mut plan = known_plan();
        plan.targets[0].name = name.to_owned();
        let (layout, started) = (Arc::new(Layout::new(&plan)), clock::now());
        let mut recorder = recorders(&layout, started, 1).remove(0);
        let mut collector = Collector::new(Arc::clone(&layout), SECOND, 1);
        for second in 0..seconds {
            send(&mut recorder, 0, second);
        }
        collector.add(recorder.finish(started + 10 * SECOND));
        folder.log(&layout, &collector.take_rest()).unwrap();
        let greeting = Some(format!("{name} greets"));
        let summary = collector.summary(&plan, &end());
        targets.push(TargetRecord::new(&plan, greeting, Vec::new(), summary));
    }
    let record = Record::new(&known_plan(), &facts(), targets);
    folder.finish(&record).unwrap();
    let saved = Saved::read(outer.path()).unwrap();
    assert_eq!(saved.record, record);
    let files = csv::files(&saved.record);
    let summary = file(&files, "summary.csv");
    let names: Vec<_> = summary.lines().map(|row| row.split(',').next().unwrap()).collect();
    assert_eq!(names, ["target", "ses", "own"]);
    let thresholds = file(&files, "thresholds.csv").lines().filter(|row| row.starts_with("own,"));
    assert_eq!(thresholds.count(), 3);
    let shown = text::render(&saved.record, false);
    assert!(shown.contains("known against own, smtp://127.0.0.1:2525"), "{shown}");
    let eod = |target| saved.judged_slices(target, "eod", Clock::Service);
    let counts = [eod(0), eod(1)].map(|slices| slices[0].samples.samples());
    assert_eq!(counts, [9 * 40, 3 * 40]);
}

#[test]
fn a_run_under_way_is_read_as_far_as_it_came() {
    let outer = tempfile::tempdir().unwrap();
    let mut folder = ResultFolder::create(outer.path()).unwrap();
    folder.begin(facts().started).unwrap();
    let (plan, collector) = known_run(|collector| {
        folder.log(&Layout::new(&known_plan()), &collector.take_completed()).unwrap();
    });
    let running = collector.summary(&plan, &EndOfRun::running(5 * SECOND));
    let mut record = record(&plan, running);
    (record.facts.ended, record.facts.exit_code) = (None, None);
    folder.save(&record).unwrap();
    let log = outer.path().join("histograms.hlog.part");
    let mut bytes = fs::read(&log).unwrap();
    bytes.extend_from_slice(b"Tag=target=target|stage=steady|scr");
    fs::write(&log, bytes).unwrap();
    let saved = Saved::read(outer.path()).unwrap();
    assert!(text::render(&saved.record, false).contains("the run has not ended"));
}

#[test]
fn folders_that_are_none_are_told() {
    let (folder, _) = known_folder();
    let path = |name| folder.path().join(name);
    let said = refused(&path("nowhere"));
    assert!(said.contains("run.json") && said.contains("smtpbench run"), "{said}");
    let run = fs::read_to_string(path("run.json")).unwrap();
    let log = fs::read_to_string(path("histograms.hlog")).unwrap();
    let with_run = |from: &str, to: &str| {
        let changed = run.replacen(from, to, 1);
        assert_ne!(changed, run, "{from}");
        fs::write(path("run.json"), changed).unwrap();
        let said = refused(folder.path());
        fs::write(path("run.json"), &run).unwrap();
        said
    };
    for (from, to, want) in [
        ("\"schema_version\": 3", "\"schema_version\": 2", "format 2"),
        ("\"schema_version\": 3", "\"version_of\": 3", "schema_version"),
        ("\"tool\": \"smtpbench\"", "\"tool\": \"k6\"", "no run.json of smtpbench"),
        ("\"outcome\": \"accepted\"", "\"outcome\": \"acc\\u001bepted\"", "`acc\\x1bepted`"),
        ("\"count\": 80", "\"count\": 9000000000000000000", "more than there can be"),
        ("\"samples\": 820", "\"samples\": 821", "820 samples"),
        ("\"verbs\": []", "\"verbs\": [\"eod\"]", "none of a run"),
        ("\"judged_stages\": [", "\"judged_stages\": [\"peak\",", "`peak` is no stage"),
        ("\"window_s\": 9.0", "\"window_s\": -9.0", "no length of time"),
        ("\"started\": \"2023", "\"started\": \"23", "is no time"),
    ] {
        let said = with_run(from, to);
        assert!(said.contains(want), "{said}");
    }
    for (changed, want) in [
        (log.replacen("stage=steady", "stage=peak", 1), "run.json knows nothing of"),
        (log[..log.len() - 9].to_owned(), "one that was cut"),
        (log.lines().map(|line| line.to_owned() + "\n").take(12).collect(), "run.json 820"),
        (log.replacen("HIST", "HISS", 1), "line "),
    ] {
        fs::write(path("histograms.hlog"), changed).unwrap();
        let said = refused(folder.path());
        assert!(said.contains(want), "{said}");
    }
    fs::remove_file(path("histograms.hlog")).unwrap();
    assert!(refused(folder.path()).contains("histograms.hlog"));
}

/// What a file says of its size is not believed.
#[test]
fn a_small_file_that_asks_for_much_memory_gets_none() {
    let (folder, _) = known_folder();
    let path = folder.path().join("histograms.hlog");
    let log = fs::read_to_string(&path).unwrap();
    let start = log.find("HIST").unwrap();
    let end = start + log[start..].find('\n').unwrap();
    for (place, value) in [(4, u32::MAX), (12, 5), (24, u32::MAX)] {
        let mut plain = vec![0_u8; 48];
        plain[..4].copy_from_slice(&0x1c84_9313_u32.to_be_bytes());
        plain[4..8].copy_from_slice(&8_u32.to_be_bytes());
        plain[12..16].copy_from_slice(&3_u32.to_be_bytes());
        plain[23] = 1;
        plain[24..32].copy_from_slice(&900_000_000_u64.to_be_bytes());
        plain[32..40].copy_from_slice(&1_f64.to_be_bytes());
        plain[place..place + 4].copy_from_slice(&value.to_be_bytes());
        fs::write(&path, format!("{}{}{}", &log[..start], encoded(&plain), &log[end..])).unwrap();
        assert!(refused(folder.path()).contains("did not write"), "{place}");
    }
    let bomb = encoded(&vec![0_u8; 64 << 20]);
    fs::write(&path, format!("{}{bomb}{}", &log[..start], &log[end..])).unwrap();
    assert!(refused(folder.path()).contains("did not write"));
}

/// As the log has a histogram.
fn encoded(plain: &[u8]) -> String {
    use base64::Engine as _;
    use std::io::Write as _;
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(plain).unwrap();
    let compressed = zlib.finish().unwrap();
    let mut bytes = 0x1c84_9314_u32.to_be_bytes().to_vec();
    bytes.extend_from_slice(&u32::try_from(compressed.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(&compressed);
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Cuts, holes, foreign bytes and huge numbers: whatever is read renders, and the rest is told.
#[test]
fn garbled_files_neither_panic_nor_hang() {
    let (folder, _) = known_folder();
    let path = |name: &str| folder.path().join(name);
    let files = ["run.json", "histograms.hlog"].map(|name| (name, fs::read(path(name)).unwrap()));
    let foreign = prop::sample::select(vec![
        &b""[..],
        b"\0",
        b"\xff",
        b"99999999999999999999",
        b"-1",
        b"1e308",
        b"null",
        b"\"",
        b"{",
        b"]",
        b"\n",
        b"A",
        b",",
        b"\\u0000",
        b"[[[[[[[[[[",
        b"Tag=",
    ]);
    let mut runner = TestRunner::new(Config { cases: 400, ..Config::default() });
    let strategy = (0..2_usize, any::<prop::sample::Index>(), 0..40_usize, foreign, any::<bool>());
    let done = runner.run(&strategy, |(which, at, length, put, cut)| {
        let (name, bytes) = &files[which];
        let at = at.index(bytes.len());
        let rest = if cut { bytes.len() } else { (at + length).min(bytes.len()) };
        let changed = [&bytes[..at], put, &bytes[rest..]].concat();
        fs::write(path(name), changed).unwrap();
        if let Ok(saved) = Saved::read(folder.path()) {
            let lengths = [
                text::render(&saved.record, false).len(),
                csv::files(&saved.record).len(),
                manifest::write(&saved.record).len(),
            ];
            prop_assert!(lengths.iter().all(|length| *length > 0));
        }
        fs::write(path(name), bytes).unwrap();
        Ok(())
    });
    done.unwrap();
}
