//! Real processes side by side on one bucket of a real MinIO: nothing that was reported is lost.

use crate::kit::command::{Home, Ran, Started};
use crate::kit::{skip, trees};
use std::collections::BTreeMap;
use std::fs;

/// Rounds, each of them seven processes.
const ROUNDS: u64 = 4;

const HOSTS: usize = 4;

fn made(ran: &Ran) -> Option<String> {
    let at = ran.stdout.split("created unsigned snapshot ").nth(1)?;
    Some(at.split_whitespace().next()?.to_owned())
}

#[test]
fn minio_backups_removals_and_maintenance_side_by_side_lose_nothing() {
    let Some(endpoint) = skip::minio() else { return };
    let home = Home::new("writers");
    let host = endpoint.trim_start_matches("http://");
    let location = format!("s3://{host}/writers-{}", std::process::id());
    let keys = ["access_key=minioadmin", "secret_access_key=minioadmin", "use_tls=false"];
    home.plakar(&[&["store", "add", "s", location.as_str()], &keys[..]].concat()).succeeds();
    home.plakar(&["at", "@s", "create", "-plaintext"]).succeeds();
    // What is coloured in one round goes in the next.
    home.env("PLAKAR_GRACEPERIOD", "0s");
    // By the first digits that a backup prints: what it must hold.
    let mut truth: BTreeMap<String, String> = BTreeMap::new();
    let (mut refused, mut maintained) = (0, 0);
    for round in 0..ROUNDS {
        // Every host has something of its own, and something that another one had and may lose.
        let backups: Vec<(String, Started)> = (0..HOSTS)
            .map(|n| {
                let tree = format!("tree-{n}-{round}");
                fs::create_dir(home.dir().join(&tree)).unwrap();
                for seed in [n as u64 * 10 + round, (round + n as u64) % 3 + 500, 600 + round] {
                    fs::write(home.dir().join(&tree).join(format!("{seed}")), trees::noise(seed, 150_000))
                        .unwrap();
                }
                let started = home.start(&["at", "@s", "backup", "-quiet", tree.as_str()]);
                (tree, started)
            })
            .collect();
        let victims: Vec<String> = truth.keys().take(3).cloned().collect();
        let removal: Vec<&str> =
            ["at", "@s", "rm", "-apply"].into_iter().chain(victims.iter().map(String::as_str)).collect();
        let removal = (!victims.is_empty()).then(|| home.start(&removal));
        let keepers = [(); 2].map(|()| home.start(&["at", "@s", "maintenance"]));
        for (tree, backup) in backups {
            let ran = backup.ends();
            match ran.code {
                Some(0) => drop(truth.insert(made(&ran).unwrap_or_else(|| panic!("{ran}")), tree)),
                _ => {
                    refused += 1;
                    ran.exits(1).says("locked by maintenance");
                }
            }
        }
        if let Some(removal) = removal {
            removal.ends().succeeds();
            victims.iter().for_each(|id| drop(truth.remove(id)));
        }
        for keeper in keepers {
            let ran = keeper.ends();
            maintained += usize::from(ran.code == Some(0));
            if ran.code != Some(0) {
                ran.exits(1).says("locked by");
            }
        }
        // Alone, so that something is coloured and removed in every round.
        home.plakar(&["at", "@s", "maintenance"]).succeeds();
        home.plakar(&["at", "@s", "check", "-quiet"]).succeeds();
        let listed = home.plakar(&["at", "@s", "ls"]).succeeds();
        assert_eq!(listed.stdout.lines().count(), truth.len(), "{}", listed.stdout);
        for id in truth.keys() {
            assert!(listed.stdout.contains(id.as_str()), "{id} is not in\n{}", listed.stdout);
        }
    }
    for (id, tree) in &truth {
        let out = home.path("out");
        home.plakar(&["at", "@s", "restore", "-quiet", "-to", &out, id]).succeeds();
        let faults = trees::differences(&home.dir().join(tree), &home.dir().join("out").join(tree));
        assert_eq!(faults, Vec::<String>::new(), "{id}");
        fs::remove_dir_all(out).unwrap();
    }
    assert!(truth.len() + refused + 3 * (ROUNDS as usize - 1) >= HOSTS * ROUNDS as usize);
    println!("{} kept, {refused} backups refused, {maintained} maintenances beside backups", truth.len());
}
