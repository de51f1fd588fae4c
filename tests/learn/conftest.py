import sys
from pathlib import Path

# The recipes beside the package are no part of it; `weights` is a folder of the repository.
sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[2])]
