from functools import cache as cache
from functools import partial as partial
