//! `sluice doctor`: what of the world this machine reaches, and what mends the rest.

use sluice_engine::diagnostic::visible;

use crate::context::Context;
use crate::doctor;
use crate::error::{Exit, Result};
use crate::prepare::Pair;
use crate::screen::{Stream, Tone};
use crate::views;
use crate::views::sign::Sign;
use crate::views::text;

const AFTER: &str = "\
Changes nothing on the cluster and in the account: it looks, reads the credentials of the cluster's users \
and connects with them once. On this machine it makes the store where there is none, and removes what \
killed runs left behind, as every command does. Exit code 0: all is well; 1: something has to be mended.

Examples:
  sluice doctor                             the program's own: inventory, trust, store
  sluice doctor -i cluster=nats-staging     names, ports, rights and clocks of a cluster too
  sluice doctor -i cluster=nats-staging --json";

/// Try what runs will need, and say what mends the rest
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// The cluster to look at: cluster=NAME
    #[arg(short, long = "input", value_name = "cluster=NAME")]
    input: Vec<Pair>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let cluster = doctor::cluster(context, &args.input)?;
    let tried = context.block_on(doctor::examine(context, cluster.as_ref()))?;
    match args.json {
        true => views::json(&tried)?,
        false => views::out(&shown(&tried, &context.screen.out))?,
    }
    Ok(if tried.iter().all(|one| one.well) { Exit::DONE } else { Exit::FOUND })
}

fn shown(tried: &[doctor::Tried], out: &Stream) -> String {
    let width = tried.iter().map(|one| text::width(&one.what)).max().unwrap_or(0);
    let mut shown = String::new();
    for one in tried {
        let sign = if one.well { Sign::Done } else { Sign::Failed };
        let room = out.width.saturating_sub(width + 6).max(30);
        let mut seen = text::wrap(&visible(&one.seen), room).into_iter();
        let first = seen.next().unwrap_or_default();
        shown.push_str(&format!("{} {}  {first}\n", sign.on(out), text::pad(&one.what, width)));
        seen.for_each(|line| shown.push_str(&format!("{:1$}{line}\n", "", width + 4)));
        for line in one.mend.iter().flat_map(|mend| text::wrap(&visible(mend), room)) {
            shown.push_str(&format!("{:1$}{2}\n", "", width + 4, out.paint(Tone::Accent, &line)));
        }
    }
    shown
}
