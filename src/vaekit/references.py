"""The papers that the parts come from, once each, as BibTeX."""

from __future__ import annotations

__all__ = ["PAPERS", "bibtex"]

# key: (authors, title, year, where, link)
PAPERS: dict[str, tuple[str, str, int, str, str]] = {
    "kingma2014": (
        "Diederik P. Kingma and Max Welling",
        "Auto-Encoding Variational Bayes",
        2014,
        "International Conference on Learning Representations",
        "https://arxiv.org/abs/1312.6114",
    ),
    "rezende2014": (
        "Danilo Jimenez Rezende and Shakir Mohamed and Daan Wierstra",
        "Stochastic Backpropagation and Approximate Inference in Deep Generative Models",
        2014,
        "International Conference on Machine Learning",
        "https://arxiv.org/abs/1401.4082",
    ),
    "oord2017": (
        "Aäron van den Oord and Oriol Vinyals and Koray Kavukcuoglu",
        "Neural Discrete Representation Learning",
        2017,
        "Advances in Neural Information Processing Systems",
        "https://arxiv.org/abs/1711.00937",
    ),
    "sohn2015": (
        "Kihyuk Sohn and Honglak Lee and Xinchen Yan",
        "Learning Structured Output Representation using Deep Conditional Generative Models",
        2015,
        "Advances in Neural Information Processing Systems",
        "https://papers.nips.cc/paper/5775-learning-structured-output-representation-using-deep-conditional-generative-models",
    ),
    "burda2016": (
        "Yuri Burda and Roger Grosse and Ruslan Salakhutdinov",
        "Importance Weighted Autoencoders",
        2016,
        "International Conference on Learning Representations",
        "https://arxiv.org/abs/1509.00519",
    ),
    "sonderby2016": (
        "Casper Kaae Sønderby and Tapani Raiko and Lars Maaløe and Søren Kaae Sønderby and Ole Winther",
        "Ladder Variational Autoencoders",
        2016,
        "Advances in Neural Information Processing Systems",
        "https://arxiv.org/abs/1602.02282",
    ),
    "higgins2017": (
        "Irina Higgins and Loic Matthey and Arka Pal and Christopher Burgess and Xavier Glorot and "
        "Matthew Botvinick and Shakir Mohamed and Alexander Lerchner",
        "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework",
        2017,
        "International Conference on Learning Representations",
        "https://openreview.net/forum?id=Sy2fzU9gl",
    ),
    "maddison2017": (
        "Chris J. Maddison and Andriy Mnih and Yee Whye Teh",
        "The Concrete Distribution: A Continuous Relaxation of Discrete Random Variables",
        2017,
        "International Conference on Learning Representations",
        "https://arxiv.org/abs/1611.00712",
    ),
    "bengio2013": (
        "Yoshua Bengio and Nicholas Léonard and Aaron Courville",
        "Estimating or Propagating Gradients Through Stochastic Neurons for Conditional Computation",
        2013,
        "arXiv",
        "https://arxiv.org/abs/1308.3432",
    ),
    "kim2018": (
        "Hyunjik Kim and Andriy Mnih",
        "Disentangling by Factorising",
        2018,
        "International Conference on Machine Learning",
        "https://arxiv.org/abs/1802.05983",
    ),
    "mattei2019": (
        "Pierre-Alexandre Mattei and Jes Frellsen",
        "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets",
        2019,
        "International Conference on Machine Learning",
        "https://arxiv.org/abs/1812.02633",
    ),
    "loaiza2019": (
        "Gabriel Loaiza-Ganem and John P. Cunningham",
        "The continuous Bernoulli: fixing a pervasive error in variational autoencoders",
        2019,
        "Advances in Neural Information Processing Systems",
        "https://arxiv.org/abs/1907.06845",
    ),
    "rybkin2021": (
        "Oleh Rybkin and Kostas Daniilidis and Sergey Levine",
        "Simple and Effective VAE Training with Calibrated Decoders",
        2021,
        "International Conference on Machine Learning",
        "https://arxiv.org/abs/2006.13202",
    ),
    "kingma2016": (
        "Diederik P. Kingma and Tim Salimans and Rafal Jozefowicz and Xi Chen and Ilya Sutskever and Max Welling",
        "Improved Variational Inference with Inverse Autoregressive Flow",
        2016,
        "Advances in Neural Information Processing Systems",
        "https://arxiv.org/abs/1606.04934",
    ),
    "pearson1901": (
        "Karl Pearson",
        "On lines and planes of closest fit to systems of points in space",
        1901,
        "Philosophical Magazine",
        "https://doi.org/10.1080/14786440109462720",
    ),
    "tipping1999": (
        "Michael E. Tipping and Christopher M. Bishop",
        "Probabilistic Principal Component Analysis",
        1999,
        "Journal of the Royal Statistical Society: Series B",
        "https://doi.org/10.1111/1467-9868.00196",
    ),
    "baldi1989": (
        "Pierre Baldi and Kurt Hornik",
        "Neural networks and principal component analysis: Learning from examples without local minima",
        1989,
        "Neural Networks",
        "https://doi.org/10.1016/0893-6080(89)90014-2",
    ),
    "hinton2006": (
        "Geoffrey E. Hinton and Ruslan R. Salakhutdinov",
        "Reducing the Dimensionality of Data with Neural Networks",
        2006,
        "Science",
        "https://doi.org/10.1126/science.1127647",
    ),
    "he2016": (
        "Kaiming He and Xiangyu Zhang and Shaoqing Ren and Jian Sun",
        "Deep Residual Learning for Image Recognition",
        2016,
        "Conference on Computer Vision and Pattern Recognition",
        "https://arxiv.org/abs/1512.03385",
    ),
}


def bibtex(key: str) -> str:
    """One entry as BibTeX.

    >>> print(bibtex("kingma2014").splitlines()[0])
    @inproceedings{kingma2014,
    """
    authors, title, year, where, link = PAPERS[key]
    kind, field = (
        ("inproceedings", "booktitle") if "Conference" in where or "Advances" in where else ("article", "journal")
    )
    return (
        f"@{kind}{{{key},\n  author = {{{authors}}},\n  title = {{{title}}},\n"
        f"  {field} = {{{where}}},\n  year = {{{year}}},\n  url = {{{link}}}\n}}"
    )
