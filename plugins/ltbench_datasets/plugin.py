"""Registers the data sets of this package."""

from __future__ import annotations

from ltbench.api import Register, hookimpl

FOLDERS = "ltbench_datasets.domain_folders:DomainFolders"
CIFAR = "ltbench_datasets.cifar:Cifar"
DATASETS = (
    (
        "digits-mini-mlt",
        "ltbench_datasets.digits_mini:DigitsMini",
        "Three digit domains, 10 classes, embedded: nothing to download",
    ),
    (
        "digits-mini-lt",
        "ltbench_datasets.digits_mini_lt:DigitsMiniLT",
        "MNIST, 10 classes, made long-tailed, embedded: nothing to download",
    ),
    (
        "image-folder",
        "ltbench_datasets.image_folder:ImageFolder",
        "Your own images: root/class/*, root/domain/class/*, or a CSV",
    ),
    (
        "hf",
        "ltbench_datasets.hf:HuggingFace",
        "Any image classification in the Hugging Face format: folders, Parquet, Arrow",
    ),
    (
        "webdataset",
        "ltbench_datasets.webdataset:WebDataset",
        "Images in tar archives, read where they lie",
    ),
    ("vlcs-mlt", FOLDERS, "Four collections of photographs, 5 classes"),
    ("pacs-mlt", FOLDERS, "Photographs, paintings, cartoons, sketches, 7 classes"),
    ("officehome-mlt", FOLDERS, "Objects of office and home in four styles, 65 classes"),
    (
        "terrainc-mlt",
        "ltbench_datasets.camera_traps:TerraIncognita",
        "Camera traps at four places, 10 classes",
    ),
    (
        "digits-mlt",
        "ltbench_datasets.digits:Digits",
        "MNIST-M and SVHN (and MNIST), 10 classes, made long-tailed",
    ),
    (
        "fashion-mlt",
        "ltbench_datasets.fashion:Fashion",
        "Clothes upright, turned by 30° and 60°, and inverted, made long-tailed",
    ),
    ("cifar10-lt", CIFAR, "10 classes of 32×32 photographs, made long-tailed"),
    ("cifar100-lt", CIFAR, "100 classes of 32×32 photographs, made long-tailed"),
    (
        "imagenet-lt",
        "ltbench_datasets.imagenet_lt:ImageNetLT",
        "1,000 classes by the list files of Liu et al.",
    ),
    (
        "places-lt",
        "ltbench_datasets.places_lt:PlacesLT",
        "365 scenes by the list files of Liu et al.",
    ),
    (
        "inat2018",
        "ltbench_datasets.inat2018:INat2018",
        "8,142 species of the iNaturalist competition of 2018",
    ),
    (
        "iwildcam",
        "ltbench_datasets.iwildcam:IWildCam",
        "Camera traps at 323 locations, 182 animals, as WILDS splits them",
    ),
    (
        "bioscan5m",
        "ltbench_datasets.bioscan:Bioscan",
        "11,846 species of insects; order=Lepidoptera for moths and butterflies",
    ),
    ("domainnet-mlt", FOLDERS, "Six styles, 345 classes, 586,575 images"),
)


PROTOCOLS = (
    ("mdlt", "MDLT", "Yang et al., ECCV 2022: ResNet-50, Adam 5e-5, 5,001 steps"),
    (
        "domainbed",
        "DOMAINBED",
        "Gulrajani and Lopez-Paz, ICLR 2021: the same with 32 images a domain, by accuracy",
    ),
    ("cifar-lt", "CIFAR_LT", "Cao et al., NeurIPS 2019: ResNet-32, SGD, 200 epochs in steps"),
    ("cifar-lt-cosine", "CIFAR_LT_COSINE", "The same with a cosine and weight decay 5e-4"),
    ("imagenet-lt", "IMAGENET_LT", "Kang et al., ICLR 2020: ResNet-50 from scratch, 90 epochs"),
    ("places-lt", "PLACES_LT", "Liu et al., CVPR 2019: ImageNet's ResNet-152, 30 epochs"),
    ("inat2018", "INAT2018", "Kang et al., ICLR 2020: ResNet-50 from scratch, 90 epochs"),
    ("wilds", "WILDS", "Koh et al., ICML 2021, for iWildCam: ResNet-50, Adam 3e-5, 12 epochs"),
    ("clip", "CLIP", "Shi et al. (LIFT), ICML 2024: CLIP ViT-B/16, frozen but for adapters"),
    ("dinov2", "DINOV2", "The same training on DINOv2 ViT-B/14"),
    ("dinov3", "DINOV3", "The same training on DINOv3 ViT-B/16"),
    ("bioclip", "BIOCLIP", "The same training on BioCLIP ViT-B/16 of plants, animals and fungi"),
    ("thesis", "THESIS", "Midtgaard, 2025: MobileNetV2 fine-tuned for 90 epochs"),
)


PRESETS = (
    (
        "lift",
        "LIFT",
        "Shi et al., ICML 2024: CLIP frozen, AdaptFormer, cosine head from the names, 10 epochs",
    ),
    (
        "lift-plus",
        "LIFT_PLUS",
        "Shi et al., 2025: the same in 5 epochs, with square crops that grow",
    ),
    (
        "diwa",
        "DIWA",
        "Rame et al., NeurIPS 2022: 18 settings from one probed start, to be averaged",
    ),
    (
        "erm-plus-plus",
        "ERM_PLUS_PLUS",
        "Teterwak et al., WACV 2025: the head first, AugMix weights, weights averaged",
    ),
)


@hookimpl
def ltbench_protocols(register: Register) -> None:
    """Register the protocols that any data set can be trained under."""
    for name, constant, summary in PROTOCOLS:
        register(name, f"ltbench_datasets.protocols:{constant}", summary=summary)
    for name, constant, summary in PRESETS:
        register(name, f"ltbench_datasets.presets:{constant}_PROTOCOL", summary=summary)


@hookimpl
def ltbench_presets(register: Register) -> None:
    """Register methods with the networks and protocols of their papers."""
    for name, constant, summary in PRESETS:
        register(name, f"ltbench_datasets.presets:{constant}", summary=summary)


@hookimpl
def ltbench_datasets(register: Register) -> None:
    """Register the first-party data sets."""
    for name, target, summary in DATASETS:
        register(name, target, summary=summary)
