//! Long random runs by hand: `ixn-simulation --seed 1 --runs 1000 --steps 500`.

use std::process::ExitCode;

use clap::Parser;

/// Runs the server's engine and commit gate in virtual time, from seeds, over a database and clients that misbehave.
#[derive(Debug, Parser)]
struct Arguments {
    /// The first seed; each run takes the next one.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many runs.
    #[arg(long, default_value_t = 100)]
    runs: u64,
    /// Operations of each run.
    #[arg(long, default_value_t = 2000)]
    steps: usize,
    /// Print a line for each run.
    #[arg(long)]
    verbose: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (mut acknowledged, mut hash) = (0, 0u64);
    for seed in arguments.seed..arguments.seed + arguments.runs {
        match ixn_simulation::run(seed, arguments.steps) {
            Ok(held) => {
                acknowledged += held.acknowledged;
                hash = hash.rotate_left(1) ^ held.hash;
                if arguments.verbose {
                    println!("seed {seed}: held, {} acknowledged, {:016x}", held.acknowledged, held.hash);
                }
            }
            Err(broken) => {
                for line in &broken.trace {
                    println!("{line}");
                }
                println!(
                    "\nseed {seed} breaks with {} operations: {}\n{}",
                    broken.operations, broken.name, broken.what
                );
                return ExitCode::FAILURE;
            }
        }
    }
    println!(
        "{} runs of {} operations from seed {}: all held, {acknowledged} requests acknowledged, hash {hash:016x}",
        arguments.runs, arguments.steps, arguments.seed
    );
    ExitCode::SUCCESS
}
