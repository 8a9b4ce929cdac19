//! The processor time that processes have taken, from /proc; none where there is no /proc.

use std::fs;
use std::time::Duration;

/// A tick of /proc, which is a hundredth of a second on every Linux (USER_HZ).
const TICK: Duration = Duration::from_millis(10);

/// How often a family is counted while children end.
const ATTEMPTS: usize = 100;

/// What one line of /proc says.
struct Stat {
    parent: u32,
    own: u32,
    ended_children: u32,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in brackets and may hold anything; the state comes after it (proc(5)).
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<u32>().ok();
    Some(Stat {
        parent: number(1)?,
        own: number(11)? + number(12)?,
        ended_children: number(13)? + number(14)?,
    })
}

/// What a process has taken.
pub fn of_process(pid: u32) -> Option<Duration> {
    Some(TICK * stat(pid)?.own)
}

/// The parent of a process.
pub fn parent(pid: u32) -> Option<u32> {
    Some(stat(pid)?.parent)
}

/// What a process and its children have taken, those that have ended included.
pub fn of_family(pid: u32) -> Option<Duration> {
    // A child that ends meanwhile would be missed among the living and the ended: then all are counted again.
    (0..ATTEMPTS).find_map(|_| {
        let before = stat(pid)?;
        let children = living_children(pid)?;
        let after = stat(pid)?;
        let is_whole = before.ended_children == after.ended_children;
        is_whole.then(|| TICK * (after.own + after.ended_children + children))
    })
}

fn living_children(pid: u32) -> Option<u32> {
    let entries = fs::read_dir("/proc").ok()?.flatten();
    let all = entries.filter_map(|entry| stat(entry.file_name().to_string_lossy().parse().ok()?));
    Some(all.filter(|one| one.parent == pid).map(|one| one.own).sum())
}
