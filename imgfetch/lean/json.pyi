from json import dumps as dumps
from json import load as load
from json import loads as loads
