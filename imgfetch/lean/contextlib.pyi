from contextlib import ExitStack as ExitStack
from contextlib import closing as closing
from contextlib import contextmanager as contextmanager
from contextlib import nullcontext as nullcontext
from contextlib import suppress as suppress
