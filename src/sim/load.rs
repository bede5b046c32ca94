//! A load described by figures: how many calls, how fast, how patient, how the operators behave.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::caller::CallPlan;
use super::party::Account;
use super::phone::{Phone, Temper};
use super::world::World;
use crate::dialplan::plan::Dialplan;
use crate::rng::Rng;
use crate::time::{Duration, Instant};

/// The figures.
#[derive(Clone, Debug)]
pub struct Load {
    /// Calls in all.
    pub calls: u32,
    /// The mean time between two of them.
    pub gap: Duration,
    /// Callers lose patience between these two.
    pub patience: (Duration, Duration),
    /// How many of a thousand hang up in their first second.
    pub hasty: u32,
    /// The longest talk before the caller hangs up.
    pub talk: Duration,
    /// How operators behave.
    pub temper: Temper,
    /// How many of a thousand operators have a second phone.
    pub twins: u32,
    /// The numbers that are dialled, in turn.
    pub dialled: Vec<String>,
}

/// When phones have registered and the first call may come.
const DOORS_OPEN: Duration = Duration::from_secs(30);

/// Brings carrier, phones and callers into the world; gives the carrier and when the last call comes.
pub fn fill(
    world: &mut World,
    plan: &Dialplan,
    carrier: SocketAddr,
    load: &Load,
    rng: &mut Rng,
) -> (usize, Instant) {
    let trunk = world.carrier("carrier", carrier);
    let desks = (1_u32..).map(|n| Ipv4Addr::from(0x0a00_0000 + n));
    for (operator, ip) in plan.operators.values().zip(desks) {
        let account = account(operator.name.as_str(), operator.password.as_ref());
        let phones = if rng.chance(load.twins) { 2 } else { 1 };
        for port in (5060..).take(phones) {
            let phone = Phone::new(load.temper, [], rng.fork());
            let address = SocketAddr::new(IpAddr::V4(ip), port);
            world.phone(address, account.clone(), phone);
        }
    }
    let mut at = Instant::START + DOORS_OPEN;
    for number in 0..load.calls {
        at = at + within(rng, load.gap * 2);
        let patience = if rng.chance(load.hasty) {
            within(rng, Duration::from_secs(1))
        } else {
            let (least, most) = load.patience;
            least + within(rng, most.saturating_sub(least))
        };
        let dialled = load
            .dialled
            .iter()
            .cycle()
            .nth(number as usize % load.dialled.len().max(1));
        world.call(
            trunk,
            at,
            CallPlan {
                to: dialled.cloned().unwrap_or_default(),
                from: (!rng.chance(30)).then(|| format!("38067{number:07}")),
                patience,
                talk: Duration::from_secs(1) + within(rng, load.talk),
            },
        );
    }
    (trunk, at)
}

/// The account of an operator of the plan.
#[must_use]
pub fn account(user: &str, password: Option<&crate::dialplan::plan::Secret>) -> Account {
    Account {
        user: user.to_owned(),
        password: password
            .map(|secret| secret.reveal().to_owned())
            .unwrap_or_default(),
        domain: "pbx.test".to_owned(),
        expires: Duration::from_secs(600),
    }
}

fn within(rng: &mut Rng, most: Duration) -> Duration {
    Duration::from_nanos(rng.below(u64::try_from(most.as_nanos()).unwrap_or(u64::MAX)))
}
