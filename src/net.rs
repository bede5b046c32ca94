//! Address ranges: who a carrier is, whose media is taken, which networks are local.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A CIDR range; a single address is a range of one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Net {
    address: IpAddr,
    prefix: u8,
}

/// A text that is no address range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address or a range is written like 203.0.113.10, 203.0.113.0/24 or 2001:db8::/32")]
pub struct BadNet;

impl Net {
    /// The range of the one address.
    #[must_use]
    pub const fn single(address: IpAddr) -> Self {
        let prefix = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        Self { address, prefix }
    }

    /// The address, if the range has no other.
    #[must_use]
    pub fn only(&self) -> Option<IpAddr> {
        (*self == Self::single(self.address)).then_some(self.address)
    }

    /// Whether some address lies in both ranges.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let (wide, narrow) = match self.prefix <= other.prefix {
            true => (self, other),
            false => (other, self),
        };
        wide.contains(narrow.address)
    }

    /// Whether `address` lies in the range; an IPv4-mapped IPv6 address counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                let mask = u32::MAX
                    .checked_shl(32_u32.saturating_sub(u32::from(self.prefix)))
                    .unwrap_or(0);
                u32::from(net) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                let mask = u128::MAX
                    .checked_shl(128_u32.saturating_sub(u32::from(self.prefix)))
                    .unwrap_or(0);
                u128::from(net) & mask == u128::from(address) & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Net {
    type Err = BadNet;
    fn from_str(text: &str) -> Result<Self, BadNet> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address = address
            .parse::<IpAddr>()
            .map_err(|_| BadNet)?
            .to_canonical();
        let single = Self::single(address);
        let Some(prefix) = prefix else {
            return Ok(single);
        };
        let prefix = prefix.parse().map_err(|_| BadNet)?;
        if prefix > single.prefix {
            return Err(BadNet);
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_addresses_and_no_others() {
        let net = "203.0.113.32/28".parse::<Net>().unwrap();
        assert!(net.contains("203.0.113.47".parse().unwrap()));
        assert!(net.contains("::ffff:203.0.113.40".parse().unwrap()));
        assert!(!net.contains("203.0.113.48".parse().unwrap()));
        assert!(!net.contains("2001:db8::1".parse().unwrap()));
        assert!(
            "0.0.0.0/0"
                .parse::<Net>()
                .unwrap()
                .contains("8.8.8.8".parse().unwrap())
        );
        assert_eq!("203.0.113.1/33".parse::<Net>(), Err(BadNet));
        assert_eq!("Одеса".parse::<Net>(), Err(BadNet));
        let inside = "203.0.113.40".parse::<Net>().unwrap();
        assert!(net.overlaps(&inside) && inside.overlaps(&net));
        assert!(!net.overlaps(&"203.0.113.48/28".parse().unwrap()));
        assert!(!net.overlaps(&"::/0".parse().unwrap()));
    }
}
