"""The solver that halmos calls: an SMT-LIB file in, the answer and a model out.

halmos asks twice. The first query leaves quotients open, and products but for their symmetry and the factors 0 and 1,
by which OpenZeppelin takes a minimum; Yices answers it at once. Where that is not enough, the second query (`refined`)
means them. cvc5 takes it as one of integers, and proves what is beyond reach bit by bit; Yices has what is left.

Each may take so many seconds of a core: what else the machine does decides nothing.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

YICES = [str(Path(sys.executable).with_name("yices-smt2")), "--smt2-model-format", "--bvconst-in-decimal"]
OPEN_S, INTEGERS_S, LAST_S = 15, 20, 40
WORD = "(_ BitVec 256)"
OPEN = f"(declare-fun f_evm_bvmul_256 ({WORD} {WORD}) {WORD})"
HALF_OPEN = f"""(declare-fun f_evm_open_256 ({WORD} {WORD}) {WORD})
(define-fun f_evm_bvmul_256 ((x {WORD}) (y {WORD})) {WORD}
  (ite (= y (_ bv0 256)) y (ite (= y (_ bv1 256)) x
  (ite (= x (_ bv0 256)) x (ite (= x (_ bv1 256)) y
  (ite (bvule x y) (f_evm_open_256 x y) (f_evm_open_256 y x)))))))"""
TIMES_MINUS_ONE = f"bvmul (_ bv{2**256 - 1} 256)"


def limit(seconds: int) -> None:
    """Ends this process once it has used a core for so long."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


def as_integers(query: str) -> bool:
    """Does cvc5 prove it? In a process of its own, which may not come back."""
    if child := os.fork():
        return os.waitpid(child, 0)[1] == 0
    limit(INTEGERS_S)
    import cvc5  # here, for most queries need Yices only, which is there sooner

    solver = cvc5.Solver()
    solver.setOption("solve-bv-as-int", "sum")
    symbols = cvc5.SymbolManager(solver)
    parser = cvc5.InputParser(solver, symbols)
    declarations = query.replace("QF_AUFBV", "ALL").replace(TIMES_MINUS_ONE, "bvneg").partition("(check-sat)")[0]
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, declarations, "query")
    while not (command := parser.nextCommand()).isNull():
        command.invoke(solver, symbols)
    os._exit(0 if solver.checkSat().isUnsat() else 1)


def bit_by_bit(path: str, seconds: int) -> str:
    """What Yices answers, with a model; nothing where it does not come to an end."""
    return subprocess.run([*YICES, path], stdout=subprocess.PIPE, text=True, preexec_fn=lambda: limit(seconds)).stdout


def answer(path: str) -> str:
    query = Path(path).read_text()
    if path.endswith(".refined.smt2"):
        if as_integers(query):
            return "unsat"
    elif "f_evm_" in query:
        Path(path).write_text(query.replace(OPEN, HALF_OPEN))
        # A model that halmos takes for what it is: it asks again, refined.
        return bit_by_bit(path, OPEN_S) or "sat\n; f_evm_ is still open"
    return bit_by_bit(path, LAST_S) or "unknown"


if __name__ == "__main__":
    print(answer(sys.argv[1]))
