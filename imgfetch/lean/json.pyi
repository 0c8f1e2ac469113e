from json import dumps as dumps
from json import loads as loads
