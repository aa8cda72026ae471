//! What processes take of the machine, from `/proc`: elsewhere than Linux nothing is known.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// One process, as `/proc/PID/stat` has it (proc_pid_stat(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    pub id: i32,
    state: u8,
    parent: i32,
    /// Its process group.
    pub group: i32,
    /// Ticks of its own, and of children that it has waited for.
    user: u64,
    system: u64,
    /// Pages.
    resident: u64,
}

/// What a tree of processes has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time in the programs.
    pub user: Duration,
    /// Processor time in the system on their behalf.
    pub system: Duration,
    /// Resident memory of all of them; pages that they share count for each.
    pub rss_bytes: u64,
}

impl Stat {
    /// All processes that there are.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        let number = |entry: std::io::Result<fs::DirEntry>| {
            entry.ok()?.file_name().to_str()?.parse::<i32>().ok()
        };
        let ids: Vec<i32> = entries.filter_map(number).collect();
        // One that ends meanwhile is not there.
        let read = |id: &i32| fs::read_to_string(format!("/proc/{id}/stat")).ok();
        ids.iter().filter_map(read).filter_map(|line| Self::parse(&line)).collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let id = line.split_once(' ')?.0.parse().ok()?;
        // The name stands in brackets and may hold any of them itself.
        let rest: Vec<&str> = line.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let field = |number: usize| rest.get(number - 3)?.parse::<i64>().ok();
        let count = |number: usize| field(number).map(|value| u64::try_from(value).unwrap_or(0));
        Some(Self {
            id,
            state: *rest.first()?.as_bytes().first()?,
            parent: i32::try_from(field(4)?).ok()?,
            group: i32::try_from(field(5)?).ok()?,
            user: count(14)? + count(16)?,
            system: count(15)? + count(17)?,
            resident: count(24)?,
        })
    }

    /// Whether it has ended, and only its parent has not taken note.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }
}

impl Usage {
    /// What `root`, its group and all that descends from either have taken.
    #[must_use]
    pub fn of_tree(all: &[Stat], root: i32) -> Self {
        let mut tree: BTreeSet<i32> =
            all.iter().filter(|stat| stat.id == root || stat.group == root).map(|s| s.id).collect();
        loop {
            let before = tree.len();
            let born = all.iter().filter(|stat| tree.contains(&stat.parent)).map(|stat| stat.id);
            let born: Vec<i32> = born.collect();
            tree.extend(born);
            if tree.len() == before {
                break;
            }
        }
        let (mut user, mut system, mut resident) = (0, 0, 0);
        for stat in all.iter().filter(|stat| tree.contains(&stat.id)) {
            user += stat.user;
            system += stat.system;
            resident += stat.resident;
        }
        let ticks = rustix::param::clock_ticks_per_second().max(1);
        let time = |count: u64| Duration::from_millis(count.saturating_mul(1000) / ticks);
        let page = rustix::param::page_size() as u64;
        Self { user: time(user), system: time(system), rss_bytes: resident.saturating_mul(page) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "42 (a) S (b) R 7 40 40 0 -1 4194304 100 0 0 0 11 5 30 4 20 0 1 0 100 1000 250 18446744073709551615 1 1";

    #[test]
    fn a_line_is_read_whatever_the_program_is_called() {
        let want =
            Stat { id: 42, state: b'R', parent: 7, group: 40, user: 41, system: 9, resident: 250 };
        assert_eq!(Stat::parse(LINE), Some(want));
        for cut in 0..LINE.len() - 30 {
            // Cut anywhere it is a process or none, and no panic.
            let _ = Stat::parse(&LINE[..cut]);
        }
        assert_eq!(Stat::parse("42 (a) R x"), None);
    }

    #[test]
    fn a_tree_is_its_group_and_all_that_descends_from_it() {
        let stat = |id, parent, group| Stat { id, parent, group, ..Stat::parse(LINE).unwrap() };
        let all = [stat(10, 1, 10), stat(11, 10, 10), stat(12, 11, 12), stat(13, 12, 12)];
        let others = [stat(20, 1, 20), stat(9, 1, 9), stat(14, 1, 10)];
        let all: Vec<Stat> = all.into_iter().chain(others).collect();
        let ticks = rustix::param::clock_ticks_per_second();
        let usage = Usage::of_tree(&all, 10);
        assert_eq!(usage.user, Duration::from_millis(5 * 41 * 1000 / ticks));
        assert_eq!(usage.rss_bytes, 5 * 250 * rustix::param::page_size() as u64);
        assert_eq!(Usage::of_tree(&all, 99), Usage::default());
    }
}
