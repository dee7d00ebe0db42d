//! Two texts as a unified diff: the fewest lines removed and added, three lines of context around.
//!
//! Lines are compared as numbers. Eugene Myers' "An O(ND) Difference Algorithm and Its Variations"
//! (1986), section 4b: from both ends at once until the two meet, then each half by itself, in
//! memory that grows with the texts and not with their differences.

use std::collections::HashMap;
use std::ops::Range;

/// Lines of context.
const CONTEXT: usize = 3;

/// Differences up to which the fewest are looked for; a part of the texts that has more is shown as
/// wholly replaced. The time grows with the square.
const DIFFERENCES_MAX: isize = 4000;

/// The diff of `old` and `new` under these names; empty when they are equal.
pub fn unified(old: &[u8], new: &[u8], from: &str, to: &str) -> Vec<u8> {
    let (old, new) = (lines(old), lines(new));
    let mut numbers = HashMap::new();
    let mut number = |line| {
        let next = numbers.len();
        *numbers.entry(line).or_insert(next)
    };
    let ours: Vec<usize> = old.iter().map(|line| number(*line)).collect();
    let theirs: Vec<usize> = new.iter().map(|line| number(*line)).collect();
    let edits = edits(&ours, &theirs);
    let mut out = Vec::new();
    if !edits.is_empty() {
        out.extend_from_slice(format!("--- {from}\n+++ {to}\n").as_bytes());
    }
    for hunk in hunks(edits) {
        write_hunk(&mut out, &hunk, &old, &new);
    }
    out
}

/// Lines with their ends.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').collect()
}

/// Lines of the old text, and the lines of the new one in their place; either may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Edit {
    old: Range<usize>,
    new: Range<usize>,
}

fn edits(old: &[usize], new: &[usize]) -> Vec<Edit> {
    let mut found: Vec<Edit> = Vec::new();
    let mut ahead = vec![Edit { old: 0..old.len(), new: 0..new.len() }];
    while let Some(Edit { old: mut a, new: mut b }) = ahead.pop() {
        while !a.is_empty() && !b.is_empty() && old.get(a.start) == new.get(b.start) {
            a.start += 1;
            b.start += 1;
        }
        while !a.is_empty() && !b.is_empty() && old.get(a.end - 1) == new.get(b.end - 1) {
            a.end -= 1;
            b.end -= 1;
        }
        if a.is_empty() && b.is_empty() {
            continue;
        }
        let middle = match (old.get(a.clone()), new.get(b.clone())) {
            (Some(ours), Some(theirs)) if !a.is_empty() && !b.is_empty() => middle(ours, theirs),
            _ => None,
        };
        match middle {
            // The second half first: what is pushed last is taken first.
            Some((x, y)) if (x, y) != (0, 0) && (x, y) != (a.len(), b.len()) => {
                ahead.push(Edit { old: a.start + x..a.end, new: b.start + y..b.end });
                ahead.push(Edit { old: a.start..a.start + x, new: b.start..b.start + y });
            }
            _ => match found.last_mut() {
                Some(last) if last.old.end == a.start && last.new.end == b.start => {
                    last.old.end = a.end;
                    last.new.end = b.end;
                }
                _ => found.push(Edit { old: a, new: b }),
            },
        }
    }
    found
}

/// A point that a shortest way from the beginnings to the ends goes through; `None` when that would
/// be too long.
fn middle(old: &[usize], new: &[usize]) -> Option<(usize, usize)> {
    let (n, m) = (isize::try_from(old.len()).ok()?, isize::try_from(new.len()).ok()?);
    let delta = n - m;
    let most = (n + m + 1) / 2;
    let size = usize::try_from(2 * most + 3).ok()?;
    let slot = |k: isize| usize::try_from(k + most + 1).unwrap_or(0);
    // How far along the old text each diagonal has come, from the beginning and from the end.
    let (mut forth, mut back) = (vec![0_isize; size], vec![0_isize; size]);
    let equal = |x: isize, y: isize| {
        let (x, y) = (usize::try_from(x).ok(), usize::try_from(y).ok());
        x.zip(y).is_some_and(|(x, y)| x < old.len() && y < new.len() && old.get(x) == new.get(y))
    };
    let step = |reached: &[isize], k: isize, d: isize| {
        let at = |k: isize| reached.get(slot(k)).copied().unwrap_or(0);
        if k == -d || (k != d && at(k - 1) < at(k + 1)) { at(k + 1) } else { at(k - 1) + 1 }
    };
    for d in 0..=most.min(DIFFERENCES_MAX) {
        for k in (-d..=d).step_by(2) {
            let mut x = step(&forth, k, d);
            while x < n && x - k < m && equal(x, x - k) {
                x += 1;
            }
            *forth.get_mut(slot(k))? = x;
            let other = delta - k;
            if delta % 2 != 0 && other.abs() < d && x + back.get(slot(other)).copied()? >= n {
                return point(x, x - k);
            }
        }
        for k in (-d..=d).step_by(2) {
            let mut x = step(&back, k, d);
            while x < n && x - k < m && equal(n - 1 - x, m - 1 - (x - k)) {
                x += 1;
            }
            *back.get_mut(slot(k))? = x;
            let other = delta - k;
            if delta % 2 == 0 && other.abs() <= d && x + forth.get(slot(other)).copied()? >= n {
                return point(n - x, m - (x - k));
            }
        }
    }
    None
}

fn point(x: isize, y: isize) -> Option<(usize, usize)> {
    usize::try_from(x).ok().zip(usize::try_from(y).ok())
}

/// Edits whose contexts touch, together.
fn hunks(edits: Vec<Edit>) -> Vec<Vec<Edit>> {
    let mut hunks: Vec<Vec<Edit>> = Vec::new();
    for edit in edits {
        let near = |hunk: &&mut Vec<Edit>| {
            hunk.last().is_some_and(|last| edit.old.start.saturating_sub(last.old.end) <= 2 * CONTEXT)
        };
        match hunks.last_mut().filter(near) {
            Some(hunk) => hunk.push(edit),
            None => hunks.push(vec![edit]),
        }
    }
    hunks
}

fn write_hunk(out: &mut Vec<u8>, hunk: &[Edit], old: &[&[u8]], new: &[&[u8]]) {
    let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { return };
    let before = first.old.start.min(CONTEXT);
    let after = (old.len() - last.old.end).min(CONTEXT);
    let ours = first.old.start - before..last.old.end + after;
    let theirs = first.new.start - before..last.new.end + after;
    out.extend_from_slice(format!("@@ -{} +{} @@\n", span(&ours), span(&theirs)).as_bytes());
    let mut put = |mark: u8, lines: Option<&[&[u8]]>| {
        for line in lines.unwrap_or_default() {
            out.push(mark);
            out.extend_from_slice(line);
            if !line.ends_with(b"\n") {
                out.extend_from_slice(b"\n\\ No newline at end of file\n");
            }
        }
    };
    let mut at = ours.start;
    for edit in hunk {
        put(b' ', old.get(at..edit.old.start));
        put(b'-', old.get(edit.old.clone()));
        put(b'+', new.get(edit.new.clone()));
        at = edit.old.end;
    }
    put(b' ', old.get(at..ours.end));
}

/// Lines as a hunk's head names them: the first one from 1 and how many; nothing follows the line
/// before it.
fn span(lines: &Range<usize>) -> String {
    match lines.len() {
        0 => format!("{},0", lines.start),
        1 => (lines.start + 1).to_string(),
        count => format!("{},{count}", lines.start + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(old: &str, new: &str) -> String {
        String::from_utf8(unified(old.as_bytes(), new.as_bytes(), "a", "b")).unwrap()
    }

    #[test]
    fn hunks_are_written_as_patch_reads_them() {
        assert_eq!(shown("same\n", "same\n"), "");
        assert_eq!(shown("", "x\n"), "--- a\n+++ b\n@@ -0,0 +1 @@\n+x\n");
        assert_eq!(shown("x\n", ""), "--- a\n+++ b\n@@ -1 +0,0 @@\n-x\n");
        assert_eq!(shown("x", "x\n"), "--- a\n+++ b\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+x\n");
        let text = |changed: &[usize]| -> String {
            (1..=30)
                .map(|n| if changed.contains(&n) { format!("{n}!\n") } else { format!("{n}\n") })
                .collect()
        };
        assert_eq!(
            shown(&text(&[]), &text(&[5, 12, 25])),
            "--- a\n+++ b\n@@ -2,14 +2,14 @@\n 2\n 3\n 4\n-5\n+5!\n 6\n 7\n 8\n 9\n 10\n 11\n-12\n+12!\n 13\n 14\n \
             15\n@@ -22,7 +22,7 @@\n 22\n 23\n 24\n-25\n+25!\n 26\n 27\n 28\n"
        );
    }

    /// What the edits make of the old text, and how many lines they touch.
    fn applied(old: &[usize], new: &[usize], edits: &[Edit]) -> (Vec<usize>, usize) {
        let (mut made, mut at, mut touched) = (Vec::new(), 0, 0);
        for edit in edits {
            made.extend_from_slice(&old[at..edit.old.start]);
            made.extend_from_slice(&new[edit.new.clone()]);
            touched += edit.old.len() + edit.new.len();
            at = edit.old.end;
        }
        made.extend_from_slice(&old[at..]);
        (made, touched)
    }

    /// The fewest lines to touch, by the table of longest common subsequences.
    fn fewest(old: &[usize], new: &[usize]) -> usize {
        let mut row = vec![0; new.len() + 1];
        for a in old {
            let mut diagonal = 0;
            for (n, b) in new.iter().enumerate() {
                let above = row[n + 1];
                row[n + 1] = if a == b { diagonal + 1 } else { above.max(row[n]) };
                diagonal = above;
            }
        }
        old.len() + new.len() - 2 * row[new.len()]
    }

    #[test]
    fn edits_are_right_and_as_few_as_can_be() {
        let mut dice = 1_u64;
        let mut pick = |limit: usize| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) as usize % limit
        };
        for _ in 0..3000 {
            let letters = 1 + pick(5);
            let (n, m) = (pick(14), pick(14));
            let old: Vec<usize> = (0..n).map(|_| pick(letters)).collect();
            let new: Vec<usize> = (0..m).map(|_| pick(letters)).collect();
            let found = edits(&old, &new);
            let (made, touched) = applied(&old, &new, &found);
            assert_eq!(made, new, "{old:?} {found:?}");
            assert_eq!(touched, fewest(&old, &new), "{old:?} {new:?} {found:?}");
        }
    }

    #[test]
    fn texts_that_have_nothing_in_common_take_no_time() {
        let old: Vec<usize> = (0..60_000).collect();
        let new: Vec<usize> = (60_000..120_000).collect();
        assert_eq!(edits(&old, &new), [Edit { old: 0..60_000, new: 0..60_000 }]);
    }
}
