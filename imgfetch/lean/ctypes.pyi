from ctypes import CDLL as CDLL
from ctypes import c_int as c_int
from ctypes import c_long as c_long
from ctypes import c_ulong as c_ulong
from ctypes import get_errno as get_errno
