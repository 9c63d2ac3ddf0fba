//! Which addresses are on the public internet, which in somebody's own network, and which are neither.
//!
//! Decides on addresses alone. A name is decided on by the addresses it resolves to, when it is connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Public,
    /// This machine, or a network that is not routed: needs a grant with `private: true`.
    Private,
    /// Link-local (where clouds hand out credentials), multicast, reserved: also has to be named by address.
    Special,
}

impl Reach {
    /// `literal`: the granted origin holds this address itself, not a name that leads to it.
    pub(super) fn allowed(self, private: bool, literal: bool) -> bool {
        match self {
            Self::Public => true,
            Self::Private => private,
            Self::Special => private && literal,
        }
    }
}

pub(super) fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        [0 | 224..=255, ..] | [169, 254, ..] | [192, 0, 0, _] => Reach::Special,
        [10 | 127, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] | [198, 18..=19, ..] => {
            Reach::Private
        }
        // For documentation; routed nowhere.
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Reach::Private,
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    let [first, second, ..] = address.segments();
    let tail = embedded(address.octets(), 12);
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Private,
        // Mapped, and translated by NAT64: the IPv4 address inside is the one that is reached.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => reach_v4(tail),
        // 6to4.
        [0x2002, ..] => reach_v4(embedded(address.octets(), 2)),
        // Compatible with IPv4 (long given up), Teredo, to be discarded.
        [0, 0, 0, 0, 0, 0, ..] | [0x2001, 0, ..] | [0x100, 0, 0, 0, ..] => Reach::Special,
        // The metadata service of AWS on IPv6.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => Reach::Special,
        [0x64, 0xff9b, 1, ..] | [0x2001, 0xdb8, ..] => Reach::Private,
        _ if first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfec0 => Reach::Private,
        _ if first & 0xffc0 == 0xfe80 || first & 0xff00 == 0xff00 => Reach::Special,
        _ if first == 0x3fff && second < 0x1000 => Reach::Private,
        _ => Reach::Public,
    }
}

fn embedded(octets: [u8; 16], at: usize) -> Ipv4Addr {
    match octets.get(at..at + 4) {
        Some(&[a, b, c, d]) => Ipv4Addr::new(a, b, c, d),
        Some(_) | None => Ipv4Addr::UNSPECIFIED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_inside_is_known() {
        let check = |text: &str, expect: Reach| assert_eq!(reach(text.parse().unwrap()), expect, "{text}");
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "192.169.0.1",
            "169.253.1.1",
            "198.20.0.1",
            "11.0.0.1",
            "126.0.0.1",
            "128.0.0.1",
            "223.255.255.255",
            "192.0.1.1",
            "2606:4700::1111",
            "2a00::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "2001:4860::8888",
        ] {
            check(public, Reach::Public);
        }
        for private in [
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "10.255.255.255",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "198.18.0.1",
            "198.19.255.255",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:0:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:a00:1::1",
            "2002:7f00:1::",
            "fc00::1",
            "fd12:3456::1",
            "fdff::1",
            "fec0::1",
            "2001:db8::1",
            "3fff::1",
        ] {
            check(private, Reach::Private);
        }
        for special in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.0.1",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.0.0.192",
            "::",
            "::2",
            "::127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0.0.0.0",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "2001::1",
            "100::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "ff02::1",
        ] {
            check(special, Reach::Special);
        }
    }

    #[test]
    fn a_private_grant_opens_private_addresses_and_special_ones_only_by_address() {
        let check = |reach: Reach, private, literal, expect| assert_eq!(reach.allowed(private, literal), expect);
        check(Reach::Public, false, false, true);
        check(Reach::Private, false, false, false);
        check(Reach::Private, false, true, false);
        check(Reach::Private, true, false, true);
        check(Reach::Special, true, false, false);
        check(Reach::Special, false, true, false);
        check(Reach::Special, true, true, true);
    }
}
