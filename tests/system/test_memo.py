import numpy as np

from manualnst.system.memo import NOTHING_KEPT, Memo


def test_what_is_kept_is_not_made_again_and_the_oldest_goes():
    made = []

    def ask(memo, key, count=10):
        def make():
            made.append(key)
            return [np.zeros(count, np.uint8), "a text", (np.zeros(count, np.uint8),)]

        return memo.get(key, make)

    memo = Memo(50)
    first = ask(memo, "a")
    assert ask(memo, "a") is first
    ask(memo, "b")
    ask(memo, "a")  # now b is the one that was used longest ago
    ask(memo, "c")
    assert ask(memo, "a") is first
    ask(memo, "b")
    assert made == ["a", "b", "c", "b"]
    ask(memo, "large", 100)  # leaves the others alone
    assert ask(memo, "b") is not None and made[-1] == "large"
    ask(memo, "large", 100)
    assert made.count("large") == 2
    ask(NOTHING_KEPT, "a", 0), ask(NOTHING_KEPT, "a", 0)
    assert made.count("a") == 3
