import sys
from pathlib import Path

# So that `import weights_files` works here.
sys.path.insert(0, str(Path(__file__).parent))
