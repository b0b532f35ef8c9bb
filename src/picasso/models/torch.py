def claims(source: object) -> bool:
    return False
