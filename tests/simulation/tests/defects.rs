//! The checks can fail: each planted defect is found, and as what it is, within some short runs.

use ixn_simulation::defects::Defect;
use ixn_simulation::finds;

const SEEDS: u64 = 200;
const STEPS: usize = 60;

/// What does not hold with each of them: how its name begins.
const FOUND_AS: [(Defect, &str); 16] = [
    (Defect::UserDataIsNotWritten, "user data is kept"),
    (Defect::UserDataStaysAsItWas, "user data is kept"),
    (Defect::UserDataIsReadAsEmpty, "user data is shown"),
    (Defect::KeysAreForgotten, "a key is"),
    (Defect::RepeatsAreNotMarked, "a key is carried out once"),
    (Defect::CursorStops, "a subscriber hears everything"),
    (Defect::EventsComeTwice, "a subscriber hears everything once"),
    (Defect::StateNeverEnds, "a full state ends"),
    (Defect::StateLacksInteractions, "a full state is full"),
    (Defect::StateLacksOffers, "a full state agrees with the events"),
    (Defect::HoldsAreIgnored, "what was acknowledged is told"),
    (Defect::AnswerIsLost, "everybody is answered"),
    (Defect::LeavesTooEarly, "nothing leaves before its commit"),
    (Defect::SilenceIsNotTold, "an agent has his time to accept"),
    (Defect::AgentIsForgotten, "a login tells what was"),
    (Defect::LoginLacksInteractions, "a login answers what the agent holds"),
];

#[test]
fn each_planted_defect_is_found() {
    for (defect, name) in FOUND_AS {
        let found = (1..=SEEDS).find_map(|seed| finds(defect, seed, STEPS));
        let is_it = found.as_deref().is_some_and(|found| found.starts_with(name));
        assert!(is_it, "{defect:?} is found as {found:?}");
    }
}
