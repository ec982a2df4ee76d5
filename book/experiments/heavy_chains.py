"""Simulate the sequences of the experiment learned_antibodies: `make sequences` runs it.

Human heavy chains as they leave recombination, before any mutation, as GenAIRR simulates them
(GPL-3; a program of its own here, nothing of the project imports it). Of the variable domains those
of one length are kept, each once.
"""

import sys
from itertools import count

import GenAIRR
from GenAIRR.dataconfig.data_config import DataConfig

# Its own check of its tables pickles them again, which differs between releases of Python. What was
# unpacked is held to the hash of its wheel.
DataConfig.verify_integrity = lambda self: None

LENGTH, NUMBER, AT_ONCE = 127, 1500, 1000

simulator = (
    GenAIRR.Experiment.on("human_igh")
    .recombine()
    .productive_only()
    .compile()
)
found = {}
for start in count(step=AT_ONCE):
    if len(found) >= NUMBER:
        break
    # record i of a run has the seed `start + i`
    for record in simulator.run_records(n=AT_ONCE, seed=start):
        domain = record["sequence_aa"]
        if len(domain) == LENGTH and set("ACDEFGHIKLMNPQRSTVWY").issuperset(
            domain
        ):
            found[domain] = None
sys.stdout.write("".join(f"{domain}\n" for domain in list(found)[:NUMBER]))
