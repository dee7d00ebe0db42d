//! How hard a passphrase is to guess, by the rule Plakar's `create` applies.

/// Bits asked of a new store's passphrase.
pub const BITS_MIN: f64 = 80.0;

const REPLACED: &str = "!@$&*";
const SEPARATORS: &str = "_-., ";
const OTHER_SPECIAL: &str = "\"#%'()+/:;<=>?[\\]^{|}~`";
const RUNS: [&str; 5] = ["0123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm"];

/// Why `passphrase` is below `bits_min`, or `None` when it is not.
pub fn complaint(passphrase: &str, bits_min: f64) -> Option<String> {
    if bits(passphrase) >= bits_min {
        return None;
    }
    let has = |class: &str| passphrase.chars().any(|c| class.contains(c));
    let mut hints = Vec::new();
    if !(has(REPLACED) && has(SEPARATORS) && has(OTHER_SPECIAL)) {
        hints.push("including more special characters");
    }
    if !passphrase.chars().any(|c| c.is_ascii_lowercase()) {
        hints.push("using lowercase letters");
    }
    if !passphrase.chars().any(|c| c.is_ascii_uppercase()) {
        hints.push("using uppercase letters");
    }
    if !passphrase.chars().any(|c| c.is_ascii_digit()) {
        hints.push("using numbers");
    }
    Some(match hints.as_slice() {
        [] => "insecure password, try using a longer password".to_owned(),
        hints => format!("insecure password, try {} or using a longer password", hints.join(", ")),
    })
}

/// Length times the logarithm of the number of characters to choose from.
fn bits(passphrase: &str) -> f64 {
    let length = without_runs(passphrase).len();
    length as f64 * f64::from(alphabet(passphrase)).log2().max(0.0)
}

fn alphabet(passphrase: &str) -> u32 {
    type Class = (fn(char) -> bool, u32);
    let classes: [Class; 6] = [
        (|c| REPLACED.contains(c), 5),
        (|c| SEPARATORS.contains(c), 5),
        (|c| OTHER_SPECIAL.contains(c), 22),
        (|c| c.is_ascii_lowercase(), 26),
        (|c| c.is_ascii_uppercase(), 26),
        (|c| c.is_ascii_digit(), 10),
    ];
    let known: u32 =
        classes.iter().filter(|(within, _)| passphrase.chars().any(within)).map(|(_, size)| size).sum();
    let mut others: Vec<char> =
        passphrase.chars().filter(|&c| !classes.iter().any(|(within, _)| within(c))).collect();
    others.sort_unstable();
    others.dedup();
    known + u32::try_from(others.len()).unwrap_or(u32::MAX - known)
}

/// Without the third and later of identical characters, and of characters in a row on the
/// keyboard or in the alphabet, in either direction.
fn without_runs(passphrase: &str) -> String {
    let mut kept = drop_third(passphrase, |a, b, c| a == b && b == c);
    for run in RUNS {
        let backwards: String = run.chars().rev().collect();
        for run in [run, &backwards] {
            let follows = |a: char, b: char| {
                let place = |c| run.chars().position(|r| r == c);
                place(a).zip(place(b)).is_some_and(|(a, b)| a + 1 == b)
            };
            kept = drop_third(&kept, |a, b, c| follows(a, b) && follows(b, c));
        }
    }
    kept
}

fn drop_third(text: &str, in_a_row: impl Fn(char, char, char) -> bool) -> String {
    let all: Vec<char> = text.chars().collect();
    let mut kept: String = all.iter().take(2).collect();
    for three in all.windows(3) {
        if let [a, b, c] = *three
            && !in_a_row(a, b, c)
        {
            kept.push(c);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_the_reference_ones() {
        for (passphrase, expected) in [
            ("minioadmin", 47.0),
            ("Passw0rd!", 54.6),
            ("aZ3$kd9-Qw(x1", 85.2),
            ("correct horse battery staple", 138.7),
        ] {
            assert!((bits(passphrase) - expected).abs() < 0.06, "{passphrase}: {}", bits(passphrase));
        }
        assert_eq!(bits(""), 0.0);
        assert!(bits("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") < 10.0);
        assert!(bits("abcdefghijklmnopqrstuvwxyz") < 10.0);
        assert!(bits("9876543210") < 10.0);
    }

    #[test]
    fn complaints_name_what_is_missing() {
        let cases = [
            (
                "minioadmin",
                "insecure password, try including more special characters, using uppercase letters, using \
                 numbers or using a longer password",
            ),
            (
                "Passw0rd!",
                "insecure password, try including more special characters or using a longer password",
            ),
            ("aB1!_(", "insecure password, try using a longer password"),
        ];
        for (passphrase, complaint_) in cases {
            assert_eq!(complaint(passphrase, BITS_MIN).as_deref(), Some(complaint_));
        }
        assert_eq!(complaint("aZ3$kd9-Qw(x1", BITS_MIN), None);
        assert_eq!(complaint("abc", 0.0), None);
    }
}
