"""What the steps of random histories are drawn from."""

from hypothesis import strategies as st

PEOPLE = 5  # in chunks of two

LEADS = (15, None, 5, 0, 60, 15, 1440)
STARTS = (30, 16, 61, 14, 6, 100, 1, 1441, 10)  # minutes from now
JUMPS = (1, 5, 9, 11, 0.5, 20, 45, 100, 2, 4, 1440)  # minutes
BAN_ENDS = (None, 2, 15)  # minutes

PERSON = st.integers(0, PEOPLE - 1)
START = st.sampled_from(STARTS)
PICK = st.integers(0, 99)  # modulo the number of choices
ONE_IN_THREE = st.integers(0, 2).map(lambda drawn: drawn == 2)
