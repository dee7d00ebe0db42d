//! What was probably meant.

/// The candidate that differs from `word` by at most two letters, or by a fifth of a long one: the
/// closest.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= 2.max(candidate.len() / 5) && *distance < candidate.len()
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, remove or change to make `a` of `b`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (n, from) in (1..).zip(a.chars()) {
        let mut next = vec![n];
        for ((old, right), to) in row.iter().zip(row.iter().skip(1)).zip(b.chars()) {
            let left = next.last().copied().unwrap_or(n);
            next.push((old + usize::from(from != to)).min(left + 1).min(right + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_recognised() {
        let names = ["backup", "restore", "ls"];
        for (word, near) in
            [("bakcup", Some("backup")), ("retsore", Some("restore")), ("xyz", None), ("x", None)]
        {
            assert_eq!(nearest(word, names.into_iter()), near, "{word}");
        }
    }

    #[test]
    fn distances() {
        for (a, b, expected) in [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3)] {
            assert_eq!(distance(a, b), expected);
        }
    }
}
