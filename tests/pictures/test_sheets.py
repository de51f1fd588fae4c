import numpy as np

from manualnst.pictures.sheets import Cell, draw_sheet

RED, GREEN = np.zeros((2, 30, 40, 3), np.float32)
RED[:, :, 0] = 1
GREEN[:, :, 1] = 1


def boxes(sheet, colour):
    """The rows and columns between which pixels have this colour."""
    rows, columns = np.nonzero(np.all(np.abs(sheet - colour) < 0.01, axis=2))
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def test_pictures_stand_in_their_rows_and_columns():
    sheet = draw_sheet([[Cell(RED), Cell(GREEN)], [Cell(GREEN)]])
    red, green = boxes(sheet, (1, 0, 0)), boxes(sheet, (0, 1, 0))
    assert (red[1] - red[0], red[3] - red[2]) == (30, 40)
    assert green[0] == red[0] and green[2] == red[2]  # one beside the red one, one below it
    assert green[1] - green[0] > 2 * 30 and green[3] - green[2] > 2 * 40


def test_words_make_room_and_do_not_cover_pictures():
    bare = draw_sheet([[Cell(RED)]])
    full = draw_sheet(
        [[Cell(RED, "several words of a caption below it")]],
        columns=["heading"],
        labels=["a label"],
        title="a title",
    )
    assert full.shape[0] > bare.shape[0] + 4 * 18 and full.shape[1] > bare.shape[1]
    top, bottom, left, right = boxes(full, (1, 0, 0))
    assert (bottom - top, right - left) == (30, 40)
    ink = full.max(axis=2) < 0.5
    for part in (ink[: top // 2], ink[top // 2 : top], ink[bottom:], ink[:, : left - 1]):
        assert part.any()


def test_larger_pictures_are_fitted_and_their_colours_kept():
    large = np.tile(GREEN, (8, 8, 1))
    top, bottom, left, right = boxes(draw_sheet([[Cell(large), Cell(RED)]], side=64), (0, 1, 0))
    assert (bottom - top, right - left) == (48, 64)


def test_a_cell_may_have_no_picture_and_a_word_no_end():
    sheet = draw_sheet([[Cell(None, "failed: " + "x" * 500), Cell(RED)]], labels=["y" * 500])
    top, _, left, _ = boxes(sheet, (1, 0, 0))
    assert sheet.shape[1] < 400 and left > 150 + 40 and (sheet[:, :left].max(axis=2) < 0.5).any()


def test_letters_that_the_font_lacks_are_others_and_no_boxes():
    def words(text):
        cells = [[Cell(RED, text)]]
        return draw_sheet(cells, columns=[text], labels=[text], title=text)

    for text, drawn in (("Ernüchterung é", "Ernuchterung e"), ("風景 ø\udcff", "?? ??")):
        assert np.array_equal(words(text), words(drawn))
    assert not np.array_equal(words("Ern"), words("???"))
