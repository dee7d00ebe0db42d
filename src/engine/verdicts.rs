//! What a check knows of each blob by now: one bit a blob, and a line for each damaged one.

use std::collections::HashMap;

/// By position in the index.
#[derive(Debug, Default)]
pub struct Verdicts {
    sound: Vec<u64>,
    damaged: HashMap<usize, String>,
}

/// What is known of one blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Not looked at.
    Unknown,
    /// Read and verified.
    Sound,
    /// Why not.
    Damaged(&'a str),
}

impl Verdicts {
    /// For so many blobs.
    pub fn new(blobs: usize) -> Verdicts {
        Verdicts { sound: vec![0; blobs.div_ceil(64)], damaged: HashMap::new() }
    }

    /// What is known by now.
    pub fn of(&self, position: usize) -> Verdict<'_> {
        let sound = self.sound.get(position / 64).is_some_and(|word| word & bit(position) != 0);
        match self.damaged.get(&position) {
            Some(why) => Verdict::Damaged(why),
            None if sound => Verdict::Sound,
            None => Verdict::Unknown,
        }
    }

    /// It was read and is what it should be.
    pub fn sound(&mut self, position: usize) {
        if let Some(word) = self.sound.get_mut(position / 64) {
            *word |= bit(position);
        }
    }

    /// It is not. The first reason stays.
    pub fn damaged(&mut self, position: usize, why: String) {
        self.damaged.entry(position).or_insert(why);
    }
}

fn bit(position: usize) -> u64 {
    1 << (position % 64)
}

#[cfg(test)]
mod tests {
    use super::{Verdict, Verdicts};

    #[test]
    fn each_position_has_its_own_verdict() {
        let mut verdicts = Verdicts::new(130);
        verdicts.sound(0);
        verdicts.sound(129);
        verdicts.damaged(64, "first".to_owned());
        verdicts.damaged(64, "second".to_owned());
        let known: Vec<usize> = (0..130).filter(|at| verdicts.of(*at) != Verdict::Unknown).collect();
        assert_eq!(known, [0, 64, 129]);
        assert_eq!(verdicts.of(64), Verdict::Damaged("first"));
        verdicts.sound(1 << 40);
    }
}
