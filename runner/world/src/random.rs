//! Chance from a seed: the same seed, the same world. Not for secrets.

/// SplitMix64: small, and good enough for times and ids of things that do not exist.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// At least `from`, below `to`; `from` when there is nothing between.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.next().checked_rem(to.saturating_sub(from)).unwrap_or(0)
    }

    /// As ids of instances are written: `length` hexadecimal digits.
    pub(crate) fn hex(&mut self, length: usize) -> String {
        let digits = std::iter::repeat_with(|| format!("{:016x}", self.next()));
        digits.take(length.div_ceil(16)).collect::<String>().chars().take(length).collect()
    }

    /// As public keys of servers and accounts are written: a letter and 55 of base 32.
    pub(crate) fn key(&mut self, first: char) -> String {
        let letters: Vec<char> = ('A'..='Z').chain('2'..='7').collect();
        let one = |random: &mut Self| {
            let at = usize::try_from(random.between(0, 32)).unwrap_or(0);
            letters.get(at).copied().unwrap_or('A')
        };
        std::iter::once(first).chain((0..55).map(|_| one(self))).collect()
    }
}
