def double(item: int) -> int:
    return 2 * item


FUNCTION_MAP = {"double": double}
