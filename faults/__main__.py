"""`python -m faults`"""

from faults.cli.main import main

main()
