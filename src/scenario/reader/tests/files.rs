//! Files that a scenario names: data tables, addresses, messages; and the scenario file itself.

use std::path::Path;

use super::*;
use crate::message::{AddressSource, Content, MailFile, Pick};

/// Files beside the scenario.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn read(&self, part: &str) -> Result<Scenario, FaultReport> {
        read_in(self.path().to_str().unwrap(), &format!("{LOAD}{part}"))
    }

    /// The faults of `part` below a complete load; paths begin at the folder.
    #[track_caller]
    fn check(&self, part: &str, want: &[&str]) {
        let prefix = format!("{}/", self.path().display());
        let found: Vec<_> =
            lines(self.read(part)).iter().map(|line| line.replace(&prefix, "")).collect();
        assert_eq!(found, want, "{part}");
    }
}

#[track_caller]
fn csv(bytes: &[u8], want: &[&str]) {
    Folder::new(&[("t.csv", bytes)]).check("[data.t]\ncsv = \"t.csv\"\n", want);
}

#[test]
fn tables_have_a_header_and_rows() {
    let folder = Folder::new(&[("t.csv", "\u{feff}a, b\n1,\"x, y\"\nü,\n".as_bytes())]);
    let scenario = folder.read("[data.t]\ncsv = \"t.csv\"\n").unwrap();
    let table = &scenario.tables[0];
    assert_eq!((table.name.as_str(), table.pick), ("t", Pick::RoundRobin));
    assert_eq!(table.columns, ["a", "b"]);
    let rows: Vec<Vec<&str>> =
        table.rows.iter().map(|row| row.iter().map(|cell| &**cell).collect()).collect();
    assert_eq!(rows, [["1", "x, y"], ["ü", ""]]);
}

#[test]
fn faulty_tables_are_named_by_line() {
    csv(b"", &["t.csv: the file is empty: it needs a header row"]);
    csv(b"a,b\n", &["t.csv: the file has no row below its header"]);
    csv(
        b"a,b\n1\n1,2\n1,2,3\n",
        &["t.csv:2: 1 cells in a table of 2 columns", "t.csv:4: 3 cells in a table of 2 columns"],
    );
    csv(
        b"a,b,a,\n1,2,3,4\n",
        &["t.csv:1: a second column named `a`", "t.csv:1: column 4 has no name"],
    );
    csv(
        b"a\n\"x\ny\"\n\"x\ry\"\n",
        &["t.csv:2: cell 1 holds a line end", "t.csv:4: cell 1 holds a line end"],
    );
    csv(b"a\n\xff\n", &["t.csv:2: cell 1 is not UTF-8"]);
    csv(b"\xff\n1\n", &["t.csv:1: cell 1 is not UTF-8"]);
}

#[test]
fn faults_of_one_table_are_bounded() {
    let report = Folder::new(&[("t.csv", format!("a\n{}", "1,2\n".repeat(1000)).as_bytes())])
        .read("[data.t]\ncsv = \"t.csv\"\n")
        .unwrap_err();
    assert_eq!(report.faults().len(), 11);
    assert!(report.lines()[0].ends_with(": 990 more faults in this file"));
}

#[test]
fn missing_files_are_faults_of_the_scenario() {
    let folder = Folder::new(&[("d/x.eml", b"x")]);
    folder.check(
        "[data.t]\ncsv = \"t.csv\"\n[data.u]\ncsv = \"d\"\n[senders]\ncsv = \"s.csv\"\n\
         [[messages]]\nname = \"a\"\nfile = \"m.eml\"\n[[messages]]\nname = \"b\"\nfolder = \"f\"\n",
        &[
            "5:7: `t.csv` does not exist",
            "7:7: `d` is not a regular file",
            "9:7: `s.csv` does not exist",
            "12:8: `m.eml` does not exist",
            "15:10: `f` does not exist",
        ],
    );
    let script = "[[scripts]]\nname = \"a\"\nsteps = 'X {{users.nope}}'\n";
    folder.check(
        &format!("[data.users]\ncsv = \"t.csv\"\n{script}"),
        &["5:7: `t.csv` does not exist"],
    );
}

#[test]
fn table_names_are_plain() {
    let folder = Folder::new(&[("t.csv", b"a\n1\n")]);
    folder.check(
        "[data.\"a.b\"]\ncsv = \"t.csv\"\n[data.message]\ncsv = \"t.csv\"\n",
        &["4:7: `a.b` is not a name for a table", "6:7: `message` is not a name for a table"],
    );
    folder.check("[data]\ncsv = \"t.csv\"\n", &["5:7: `data.csv` is not a table"]);
    folder.check(
        "[data.t]\npick = \"uniqe\"\ncsv = \"t.csv\"",
        &["5:8: `uniqe` is not a value of `pick`"],
    );
}

#[test]
fn leased_rows_suffice_for_the_sessions() {
    let rows = |count| format!("a\n{}", "1\n".repeat(count));
    let part = "[data.t]\ncsv = \"t.csv\"\npick = \"unique\"\n";
    Folder::new(&[("t.csv", rows(10).as_bytes())]).check(part, &[]);
    Folder::new(&[("t.csv", rows(9).as_bytes())])
        .check(part, &["6:8: [data.t] has 9 rows to lease to 10 sessions"]);
}

#[test]
fn addresses_come_from_a_column() {
    let folder = Folder::new(&[
        ("one.csv", b"x\na@b\n"),
        ("named.csv", b"x,email\n1,a@b\n2,c@d\n"),
        ("none.csv", b"x,y\na@b,1\n"),
        ("bad.csv", b"address\na@b\na b\n<x>\n"),
    ]);
    let addresses = |part: &str| match folder.read(part).unwrap().mail.recipients.source {
        AddressSource::List(list) => list.iter().map(|a| a.to_string()).collect::<Vec<_>>(),
        AddressSource::Pattern(_) => panic!("a list"),
    };
    assert_eq!(addresses("[recipients]\ncsv = \"one.csv\""), ["a@b"]);
    assert_eq!(addresses("[recipients]\ncsv = \"named.csv\""), ["a@b", "c@d"]);
    assert_eq!(addresses("[recipients]\ncsv = \"none.csv\"\ncolumn = \"x\""), ["a@b"]);
    folder.check(
        "[recipients]\ncsv = \"none.csv\"",
        &["5:7: `none.csv` has no column address, email, recipient"],
    );
    folder.check(
        "[recipients]\ncsv = \"none.csv\"\ncolumn = \"z\"",
        &["6:10: `none.csv` has no column `z`"],
    );
    folder.check(
        "[recipients]\ncsv = \"bad.csv\"",
        &[
            "bad.csv:3: `a b` holds a space outside of quotes",
            "bad.csv:4: `<x>` holds an angle bracket",
        ],
    );
}

#[test]
fn message_files_get_line_ends_and_transparency() {
    let folder =
        Folder::new(&[("m/b.eml", b"B: 1\n\n.x\n\0"), ("m/a.EML", b"A: 1\r\n"), ("m/x.txt", b"")]);
    let files = |part: &str| {
        let scenario = folder.read(part).unwrap();
        match scenario.mail.kinds.into_iter().next().unwrap().content {
            Content::Files { files, .. } => files,
            Content::Generated { .. } => panic!("files"),
        }
    };
    let data = |file: &MailFile| String::from_utf8(file.data.to_vec()).unwrap();
    let found = files("[[messages]]\nfolder = \"m\"\n");
    assert_eq!(
        found.iter().map(data).collect::<Vec<_>>(),
        ["A: 1\r\n", "B: 1\r\n\r\n.x\r\n\0\r\n"]
    );
    assert_eq!(*found[1].stuffed, *b"B: 1\r\n\r\n..x\r\n\0\r\n");
    assert_eq!(files("[[messages]]\nfile = \"m/b.eml\"\n").len(), 1);
}

#[test]
fn faulty_message_folders() {
    let folder = Folder::new(&[("empty/x.txt", b"x"), ("m/a.eml", b""), ("m/b.eml", b"x")]);
    folder.check("[[messages]]\nfolder = \"empty\"\n", &["5:10: `empty` holds no *.eml file"]);
    folder.check("[[messages]]\nfolder = \"m\"\n", &["m/a.eml: is empty"]);
    folder.check("[[messages]]\nfile = \"m/a.eml\"\n", &["5:8: `m/a.eml` is empty"]);
}

#[test]
fn each_once_binds_load_and_messages() {
    let folder = Folder::new(&[("m/a.eml", b"a"), ("m/b.eml", b"b")]);
    let check = |bound: &str, messages: &str, want: &[&str]| {
        folder.check(&format!("messages = {bound}\n{messages}"), want);
    };
    let kind = "[[messages]]\nname = \"a\"\nfolder = \"m\"\n";
    check("\"each-once\"", kind, &[]);
    check("\"each-once\"", &format!("{kind}pick = \"each-once\""), &[]);
    check("\"each-once\"", "[[messages]]\nfile = \"m/a.eml\"\n", &[]);
    check("\"each-once\"", "", &["4:12: `each-once` needs messages from files"]);
    check(
        "\"each-once\"\nwarmup = \"1s\"",
        kind,
        &["4:12: a warm-up would send files that `each-once` sends once"],
    );
    check(
        "\"each-once\"",
        &format!("{kind}pick = \"random\""),
        &["8:8: `pick` contradicts messages = \"each-once\" in [load]"],
    );
    check(
        "\"each-once\"",
        &format!("{kind}{}", kind.replace("\"a\"", "\"b\"")),
        &["4:12: `each-once` needs one kind of message, not 2"],
    );
    check(
        "5",
        &format!("{kind}pick = \"each-once\""),
        &["8:8: `each-once` without a bound of the same name"],
    );
    let scenario = folder.read(&format!("messages = \"each-once\"\n{kind}")).unwrap();
    let Content::Files { pick, .. } = scenario.mail.kinds[0].content else { panic!("files") };
    assert_eq!(pick, Pick::EachOnce);
}

#[test]
fn scenario_files_are_text() {
    let folder = Folder::new(&[
        ("good.toml", LOAD.as_bytes()),
        ("binary.toml", b"name = \"x\"\n\xff\xfe\0"),
        ("large.toml", &vec![b'#'; 10 << 20]),
    ]);
    let open = |name: &str| Source::open(&folder.path().join(name));
    let fault = |name: &str| {
        let line = open(name).unwrap_err().lines().remove(0);
        line.rsplit('/').next().unwrap().to_owned()
    };
    assert_eq!(open("good.toml").unwrap().text, LOAD);
    assert_eq!(fault("binary.toml"), "binary.toml:2: the scenario is not UTF-8");
    assert_eq!(fault("large.toml"), "large.toml: the scenario is over 4 MiB large");
    assert_eq!(fault("none.toml"), "none.toml: the scenario cannot be read: no such file");
}
