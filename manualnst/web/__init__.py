"""The web page: pictures come in, jobs are painted one after the other, and the page watches."""
