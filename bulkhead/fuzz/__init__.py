"""The fuzzer: random histories on the contracts and on their model at once, with every invariant after every step.

A history is a list of 64-bit words. Each word says, together with the state it meets, what is done next; a history that
fails is therefore made shorter by leaving words out.
"""
