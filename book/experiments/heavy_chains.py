"""Simulate the sequences of the experiment learned_antibodies: `make sequences` runs it.

Human heavy chains, recombined from the genes of the germline with two mutations in a hundred
nucleotides, as GenAIRR simulates them (GPL-3; a program of its own here, nothing of the project
imports it). Of the variable domains those of one length without a stop codon are kept, each once.
"""

import sys

import GenAIRR

LENGTH, NUMBER, AT_ONCE = 127, 2000, 1000
RESIDUES = set("ACDEFGHIKLMNPQRSTVWY")

simulator = (
    GenAIRR.Experiment.on("human_igh")
    .recombine()
    .mutate(model="s5f", rate=0.02)
    .productive_only()
    .compile()
)
found = {}
seed = 0
while len(found) < NUMBER:
    # record i of a run has the seed `seed + i`
    for record in simulator.run_records(n=AT_ONCE, seed=seed):
        domain = record["sequence_aa"]
        if len(domain) == LENGTH and RESIDUES.issuperset(domain):
            found[domain] = None
    seed += AT_ONCE
sys.stdout.write("".join(f"{domain}\n" for domain in list(found)[:NUMBER]))
