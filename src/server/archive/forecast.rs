//! How long the disk lasts, by what the last week recorded and by what retention will free.
//!
//! It only tells: recording never stops for it.

use rustix::fs::statvfs;
use serde_json::{Map, json};

use super::{Archive, day_of};
use crate::limits;
use crate::server::store::Growth;
use crate::server::telemetry::Telemetry;

/// What was told last: the day, and whether it was an alarm.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Told(Option<(String, bool)>);

/// On which day from now the free space ends; none when it lasts as far as is looked.
#[must_use]
pub fn days_left(free: u64, growth: &Growth) -> Option<usize> {
    let mut left = i128::from(free);
    for day in 0..limits::FORECAST_DAYS {
        left -= i128::from(growth.per_day);
        left += i128::from(growth.frees.get(day).copied().unwrap_or(0));
        // What is recorded from now on is freed in its turn.
        if growth.keep_days.is_some_and(|keep| day >= keep) {
            left += i128::from(growth.per_day);
        }
        if left < i128::from(limits::DISK_RESERVE) {
            return Some(day);
        }
    }
    None
}

impl Archive {
    /// Tells how long the disk lasts: once a day, and when that becomes an alarm or ends being one.
    ///
    /// # Errors
    /// When the rows or the disk cannot be asked.
    pub fn tell_forecast(&self, telemetry: &Telemetry, told: &mut Told) -> anyhow::Result<()> {
        let now = self.now();
        let growth = self.store.recordings()?.growth(now)?;
        let disk = statvfs(&*self.recordings)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let left = days_left(free, &growth);
        telemetry.disk_days_left(left);
        let alarm = left.is_some_and(|days| days <= limits::DISK_WARN_DAYS);
        let today = Some((day_of(now), alarm));
        if told.0 == today {
            return Ok(());
        }
        told.0 = today;
        if alarm {
            tracing::error!(
                days_left = left,
                bytes_per_day = growth.per_day,
                "the disk will be full of recordings; add space, or shorten `recording.keep`"
            );
        }
        let mut data = Map::new();
        data.insert("free_bytes".into(), json!(free));
        data.insert("bytes_per_day".into(), json!(growth.per_day));
        data.insert("days_left".into(), json!(left));
        data.insert("alarm".into(), json!(alarm));
        self.store.emit("recording.disk_forecast", None, data);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn the_disk_lasts_as_long_as_growth_and_retention_say() {
        let mut growth = Growth {
            per_day: GIB,
            keep_days: None,
            frees: Vec::new(),
        };
        let room = limits::DISK_RESERVE + 10 * GIB;
        assert_eq!(days_left(room, &growth), Some(10));
        assert_eq!(days_left(0, &growth), Some(0));
        growth.frees = vec![0, 5 * GIB];
        assert_eq!(days_left(room, &growth), Some(15));
        growth.keep_days = Some(20);
        assert_eq!(
            days_left(room, &growth),
            Some(15),
            "full before the first of them goes"
        );
        growth.keep_days = Some(7);
        assert_eq!(days_left(room, &growth), None, "as much goes as comes");
        growth.per_day = 0;
        assert_eq!(days_left(limits::DISK_RESERVE, &growth), None);
        growth.per_day = u64::MAX;
        assert_eq!(days_left(u64::MAX, &growth), Some(0));
    }
}
