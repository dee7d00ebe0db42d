//! One request of all, counted from the first, goes wrong: once, each time it is asked again, or with
//! everything behind it.

use super::Trouble;
use super::http::Request;

/// How long a trouble lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// The next attempt is answered.
    Once,
    /// Every attempt at the same request fails.
    SameRequest,
    /// Nothing is answered from then on.
    Everything,
}

/// What is to go wrong.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The number of the request, the first being 1.
    pub at: usize,
    /// How it goes wrong.
    pub trouble: Trouble,
    /// For how long.
    pub lasting: Lasting,
}

/// A plan under way.
pub struct Running {
    plan: Plan,
    seen: usize,
    hit: Option<String>,
    hits: usize,
}

impl Running {
    pub fn new(plan: Plan) -> Running {
        Running { plan, seen: 0, hit: None, hits: 0 }
    }

    /// Method and target of the request that was hit, and how often.
    pub fn hit(&self) -> Option<(String, usize)> {
        self.hit.clone().map(|hit| (hit, self.hits))
    }

    pub fn lasts_once(&self) -> bool {
        self.plan.lasting == Lasting::Once
    }

    pub fn trouble(&mut self, request: &Request) -> Option<Trouble> {
        self.seen += 1;
        let line = format!("{} {}", request.method, request.target);
        let due = match (&self.hit, self.plan.lasting) {
            (None, _) => self.seen == self.plan.at,
            (Some(_), Lasting::Once) => false,
            (Some(hit), Lasting::SameRequest) => *hit == line,
            (Some(_), Lasting::Everything) => true,
        };
        if !due {
            return None;
        }
        self.hit.get_or_insert(line);
        self.hits += 1;
        Some(self.plan.trouble.clone())
    }
}
