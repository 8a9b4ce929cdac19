//! The processor time that processes have taken, from /proc; none where there is no /proc.

use std::fs;
use std::time::Duration;

/// A tick of /proc, which is a hundredth of a second on every Linux (USER_HZ).
const TICK: Duration = Duration::from_millis(10);

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
    let head = stat(pid)?;
    let mut ticks = head.own + head.ended_children;
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let child = entry.file_name().to_string_lossy().parse().ok().and_then(stat);
        if let Some(child) = child.filter(|child| child.parent == pid) {
            ticks += child.own;
        }
    }
    Some(TICK * ticks)
}
