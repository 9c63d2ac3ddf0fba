//! What random schedules once broke, as small as they shrank: each stays mended.
